#!/usr/bin/python3
"""What presses on the memory that the kernel holds for a weir on this machine. None of it reads what
it is sent; each client has an address of its own in 127.0.0.0/8.

usage: crowd.py cameras COUNT PORT          write as fast as they are read, once all of them play
       crowd.py askers COUNT PORT PATH      ask again and again on one connection, and on the next
                                            when that is closed
       crowd.py leavers COUNT PORT PATH     ask once on each connection and leave it as it is: up to
                                            200 new ones a second, the last COUNT of them open

Prints what came of it every second, until it is killed.
"""

import selectors
import socket
import struct
import sys
import time

SPS = bytes.fromhex("67640028acd940780227e5c044000003000400000300c83c60c6")
PPS = bytes.fromhex("68ebe3cb")
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)
SLICES = 64
SLICE_BYTES = 1200


class Camera:
    """One connection to a camera: answers, and after PLAY key frames without a pause."""

    def __init__(self, connection):
        self.connection = connection
        self.heard = b""
        self.said = b""
        self.rest = memoryview(b"")
        self.plays = False
        self.sequence = 0
        self.timestamp = 0

    def frame(self):
        """A key frame: parameter sets, and slices of one picture."""
        nals = [SPS, PPS]
        for number in range(SLICES):
            first = 0x88 if number == 0 else 0x40  # of a picture's slices the first begins it
            nals.append(bytes([0x65, first]) + b"\x55" * (SLICE_BYTES - 2))
        packets = []
        for number, nal in enumerate(nals):
            marker = 0x80 if number == len(nals) - 1 else 0
            head = struct.pack(">BBHII", 0x80, 96 | marker, self.sequence, self.timestamp, 7)
            packets.append(struct.pack(">cBH", b"$", 0, len(head) + len(nal)) + head + nal)
            self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + 3600) & 0xFFFFFFFF
        return b"".join(packets)

    def hear(self):
        came = self.connection.recv(65536)
        if not came:
            raise ConnectionError
        self.heard += came
        while self.heard:
            if self.heard[:1] == b"$":
                if len(self.heard) < 4:
                    return
                end = 4 + struct.unpack(">H", self.heard[2:4])[0]
                if len(self.heard) < end:
                    return
                self.heard = self.heard[end:]
                continue
            head, end, rest = self.heard.partition(b"\r\n\r\n")
            if not end:
                return
            self.heard = rest
            self.said += self.answer(head.decode())

    def answer(self, head):
        method, url, _ = head.split("\r\n")[0].split(" ")
        cseq = next(line for line in head.split("\r\n") if line.lower().startswith("cseq"))
        lines, body = [cseq], ""
        if method == "DESCRIBE":
            body = SDP
            lines += [f"Content-Base: {url}/", "Content-Type: application/sdp"]
            lines += [f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 7;timeout=60"]
        elif method == "OPTIONS":
            lines += ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"]
        elif method == "PLAY":
            lines += ["Session: 7"]
            self.plays = True
        return ("\r\n".join(["RTSP/1.0 200 OK", *lines, "", body])).encode()

    def speak(self, floods):
        """Writes as much as there is room for, but not for ever: others wait."""
        sent = 0
        for _ in range(8):
            if not self.rest:
                text, self.said = self.said, b""
                text += self.frame() if self.plays and floods else b""
                if not text:
                    break
                self.rest = memoryview(text)
            try:
                count = self.connection.send(self.rest)
            except BlockingIOError:
                break
            self.rest = self.rest[count:]
            sent += count
        return sent


def cameras(count, port):
    listener = socket.create_server(("127.0.0.1", port), backlog=count)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    connected, total, said = [], 0, time.monotonic()
    # Dials have their time even where a flood takes all of the CPU.
    floods = False
    while True:
        for key, events in selector.select(1):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                connected.append(Camera(connection))
                selector.register(connection, selectors.EVENT_READ, connected[-1])
                continue
            camera = key.data
            try:
                if events & selectors.EVENT_READ:
                    camera.hear()
                total += camera.speak(floods)
            except ConnectionError:
                selector.unregister(camera.connection)
                camera.connection.close()
                connected.remove(camera)
                continue
            write = selectors.EVENT_WRITE if (camera.plays and floods) or camera.rest else 0
            selector.modify(camera.connection, selectors.EVENT_READ | write, camera)
        if not floods and sum(camera.plays for camera in connected) == count:
            floods = True
            print(f"cameras: {count} play", flush=True)
            for camera in connected:
                selector.modify(camera.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, camera)
        if time.monotonic() > said + 1:
            said = time.monotonic()
            playing = sum(camera.plays for camera in connected)
            print(f"cameras: {playing} play, {total >> 20} MiB written", flush=True)


def connect(number, port):
    client = socket.socket()
    # What it does not read stays with the server.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.bind((f"127.0.1.{1 + number % 250}", 0))
    client.settimeout(2)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


def request(port, path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def askers(count, port, path):
    asked = request(port, path)
    clients, connections, sent, said = [None] * count, 0, 0, time.monotonic()
    while True:
        for number, client in enumerate(clients):
            try:
                if client is None:
                    clients[number] = client = connect(number, port)
                    connections += 1
                sent += client.send(asked * 8)
            except BlockingIOError:
                pass
            except OSError:
                if client is not None:
                    client.close()
                clients[number] = None
        time.sleep(0.05)
        if time.monotonic() > said + 1:
            said = time.monotonic()
            print(f"askers: {connections} connections, {sent} bytes asked", flush=True)


def leavers(count, port, path):
    asked = request(port, path)
    left, connections, said = [], 0, time.monotonic()
    while True:
        try:
            client = connect(connections, port)
            client.send(asked)
            left.append(client)
            connections += 1
        except OSError:
            pass
        if len(left) > count:
            left.pop(0).close()
        time.sleep(1 / 200)
        if time.monotonic() > said + 1:
            said = time.monotonic()
            print(f"leavers: {connections} connections, {len(left)} left open", flush=True)


if __name__ == "__main__":
    kind, arguments = sys.argv[1], sys.argv[2:]
    numbers = [int(argument) for argument in arguments[:2]]
    {"cameras": cameras, "askers": askers, "leavers": leavers}[kind](*numbers, *arguments[2:])
