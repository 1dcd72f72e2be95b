/**
 * LiteLLM's `custom_auth` for a proxy without a database, where the only key that LiteLLM itself knows would be the
 * master key. It knows the agents' keys and no other, so there is no administrator at all. LiteLLM's own limiters
 * enforce what it says of a key; they count in memory.
 */
export const AGENT_AUTH_SCRIPT = `import hmac
import json
import os
from pathlib import Path

from litellm.proxy._types import ProxyException, UserAPIKeyAuth

AGENTS = json.loads((Path(__file__).parent / "agents.json").read_text())


async def user_api_key_auth(request, api_key):
    for name, agent in AGENTS.items():
        if hmac.compare_digest((api_key or "").encode(), os.environ[agent["env"]].encode()):
            return UserAPIKeyAuth(
                api_key=api_key, key_alias=name, user_id=name, allowed_routes=["llm_api_routes"], **agent["limits"]
            )
    raise ProxyException(message="Authentication Error, unknown key", type="auth_error", param="api_key", code=401)
`;

/**
 * Keeps LiteLLM's virtual keys as agents.json and the environment say, through LiteLLM's own API: creates what is
 * missing, updates what differs, deletes what is no agent's any more. It repeats itself, so that a key that someone
 * deleted comes back. It touches its own keys alone, and prints no key.
 */
export const SYNC_KEYS_SCRIPT = `import hashlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ["LITELLM_URL"]
AGENTS = json.loads((Path(__file__).parent / "agents.json").read_text())
SYNCED = Path(os.environ["SYNCED_FILE"])
OWNER = "clawfleet"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["LITELLM_MASTER_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with DIRECT.open(urllib.request.Request(URL + path, data=data, headers=headers), timeout=30) as answer:
        return json.load(answer)


def own_keys():
    found, page = {}, 1
    while True:
        answer = call("/key/list?return_full_object=true&size=100&page=%d" % page)
        for key in answer["keys"]:
            if (key.get("metadata") or {}).get("owner") == OWNER:
                found[key["token"]] = key
        if page >= (answer.get("total_pages") or 1):
            return found
        page += 1


def sync():
    existing = own_keys()
    wanted = {}
    for name, agent in AGENTS.items():
        key = os.environ[agent["env"]]
        wanted[hashlib.sha256(key.encode()).hexdigest()] = (name, key, agent["limits"])
    for token, (name, key, limits) in wanted.items():
        metadata = {"owner": OWNER, "agent": name}
        if token not in existing:
            # The same agent's other key was rotated: what it spent counts on.
            spent = sum(k.get("spend") or 0 for k in existing.values() if k["metadata"].get("agent") == name)
            alias = name + "-" + token[:8]
            made = {"key": key, "key_alias": alias, "key_type": "llm_api", "metadata": metadata, "spend": spent}
            call("/key/generate", {**made, **limits})
            print("created the key of agent " + name, flush=True)
        elif any(existing[token].get(field) != value for field, value in limits.items()):
            call("/key/update", {"key": key, "metadata": metadata, **limits})
            print("updated the key of agent " + name, flush=True)
    stale = sorted(set(existing) - set(wanted))
    if stale:
        call("/key/delete", {"keys": stale})
        print("deleted %d keys that are no agent's" % len(stale), flush=True)
    SYNCED.touch()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    try:
        sync()
        pause = float(os.environ["SYNC_INTERVAL"])
    except urllib.error.HTTPError as error:
        # The body may repeat the request, and with it a key.
        print("LiteLLM answered %d to %s" % (error.code, error.url.split("?")[0]), file=sys.stderr, flush=True)
        pause = 5
    except OSError as error:
        print("LiteLLM cannot be reached: %s" % error, file=sys.stderr, flush=True)
        pause = 5
    time.sleep(pause)
`;
