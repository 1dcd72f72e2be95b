import assert from "node:assert/strict";
import { BlockList } from "node:net";
import fc from "fast-check";
import { egressTo, PRIVATE_RANGES, PRIVATE_RANGES_V6 } from "../../components/network";

const METADATA = "169.254.169.254";

describe("egress rules", () => {
  const blocks = (cidr: string) => egressTo([{ cidr }], "gateway.egress").map(({ to }) => to);

  it("open one range on port 443, or on the ports that are given", () => {
    assert.deepEqual(
      egressTo([{ cidr: "203.0.113.0/24" }, { cidr: "2001:db8::/32", ports: [80, 8443] }], "gateway.egress"),
      [
        { to: [{ ipBlock: { cidr: "203.0.113.0/24" } }], ports: [{ protocol: "TCP", port: 443 }] },
        {
          to: [{ ipBlock: { cidr: "2001:db8::/32" } }],
          ports: [
            { protocol: "TCP", port: 80 },
            { protocol: "TCP", port: 8443 },
          ],
        },
      ],
    );
  });

  it("keep private ranges and the metadata address closed when the internet is opened", () => {
    assert.deepEqual(blocks("0.0.0.0/0"), [[{ ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE_RANGES } }]]);
    assert.deepEqual(blocks("::/0"), [[{ ipBlock: { cidr: "::/0", except: PRIVATE_RANGES_V6 } }]]);
  });

  it("keep them closed when the internet is opened in halves", () => {
    assert.deepEqual(blocks("0.0.0.0/1"), [
      [{ ipBlock: { cidr: "0.0.0.0/1", except: ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"] } }],
    ]);
    assert.deepEqual(blocks("128.0.0.0/1"), [
      [{ ipBlock: { cidr: "128.0.0.0/1", except: ["172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"] } }],
    ]);
  });

  it("open a private range that is named itself, or a part of it", () => {
    assert.deepEqual(blocks("10.0.0.0/8"), [[{ ipBlock: { cidr: "10.0.0.0/8" } }]]);
    assert.deepEqual(blocks("10.96.0.0/12"), [[{ ipBlock: { cidr: "10.96.0.0/12" } }]]);
  });

  it("never open the metadata address by a range that is wider than link-local", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 15 }), fc.ipV4(), (prefix, address) => {
        const cidr = `${address}/${String(prefix)}`;
        const opened = new BlockList();
        const closed = new BlockList();
        opened.addSubnet(address, prefix, "ipv4");
        const [rule] = egressTo([{ cidr }], "gateway.egress") as { to: { ipBlock: { except?: string[] } }[] }[];
        for (const range of rule?.to[0]?.ipBlock.except ?? []) {
          const [network = "", length] = range.split("/");
          closed.addSubnet(network, Number(length), "ipv4");
          // Kubernetes refuses an exception that is not within the range.
          assert.ok(opened.check(network, "ipv4") && Number(length) > prefix, `${range} is not within ${cidr}`);
        }
        assert.ok(!opened.check(METADATA, "ipv4") || closed.check(METADATA, "ipv4"), cidr);
      }),
    );
  });

  for (const cidr of [
    "203.0.113.7",
    "203.0.113.0/33",
    "203.0.113.0/",
    "example.com/24",
    "203.0.113.0/24/24",
    "2001:db8::/129",
    "",
  ]) {
    it(`refuse ${JSON.stringify(cidr)}`, () => {
      assert.throws(
        () => egressTo([{ cidr: "203.0.113.0/24" }, { cidr }], "gateway.egress"),
        /^ValidationFailed: gateway\.egress\[1\]\.cidr: .*is no address range\n {2}Fix: write it like/,
      );
    });
  }

  it("refuse ports that are none", () => {
    for (const ports of [[0], [65536], [443, 1.5], []]) {
      assert.throws(
        () => egressTo([{ cidr: "203.0.113.0/24", ports }], "vault.gitSync.egress"),
        /vault\.gitSync\.egress\[0\]\.ports: [^]*Fix: give ports from 1 to 65535/,
      );
    }
  });
});
