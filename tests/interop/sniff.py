#!/usr/bin/python3
"""Prints what passes an interface from or to a UDP port, a JSON object a line.

usage: sniff.py INTERFACE PORT

Each has the addresses, the kind by its first bytes (RFC 7983), and the bytes of all but media.
"""

import ipaddress
import json
import socket
import struct
import sys

ETH_P_ALL = 3
ETHERNET_BYTES = 14
UDP = 17


def kind_of(data):
    if len(data) < 2:
        return "other"
    if data[0] < 4:
        return "stun-reply" if data[0] == 1 else "stun"
    if 20 <= data[0] < 64:
        return "dtls"
    if 128 <= data[0] < 192:
        return "rtcp" if 192 <= data[1] < 224 else "rtp"
    return "other"


def udp_of(frame):
    """Source and destination, and the datagram with its header; None for anything else."""
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    packet = frame[ETHERNET_BYTES:]
    if ethertype == 0x0800 and packet[9] == UDP:
        header = (packet[0] & 15) * 4
        addresses, datagram = (packet[12:16], packet[16:20]), packet[header:]
    elif ethertype == 0x86DD and packet[6] == UDP:
        addresses, datagram = (packet[8:24], packet[24:40]), packet[40:]
    else:
        return None
    source, destination = (ipaddress.ip_address(address) for address in addresses)
    return source, destination, datagram


def packets(interface, port):
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    tap.bind((interface, 0))
    yield None
    while True:
        frame = tap.recv(1 << 17)
        found = udp_of(frame) if len(frame) > ETHERNET_BYTES + 28 else None
        if not found:
            continue
        source, destination, datagram = found
        ports = struct.unpack_from("!HH", datagram)
        if port in ports:
            yield str(source), ports[0], str(destination), ports[1], datagram[8:]


def main():
    interface, port = sys.argv[1], int(sys.argv[2])
    taps = packets(interface, port)
    next(taps)
    print("ready", flush=True)
    for source, source_port, to, to_port, data in taps:
        kind = kind_of(data)
        row = {"from": source, "fromPort": source_port, "to": to, "toPort": to_port, "kind": kind}
        if kind != "rtp":
            row["hex"] = data.hex()
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
