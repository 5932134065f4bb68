#!/usr/bin/python3
"""A WHEP player of aiortc: offers sound first, then a picture, and counts what it decodes.

Run with aiortc on the path. Prints one JSON object: aiortc's version, the connection's state, lines of
the answer that were not offered, the frames of each kind that were decoded in --seconds, and why weir
ended the session, if it did.
"""

import asyncio
import json

import aiortc
from aiortc import RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription
from whep import Session, arguments, unoffered


async def count(track, frames):
    """Takes frames off a track until it ends."""
    try:
        while True:
            frame = await track.recv()
            frames[track.kind] = frames.get(track.kind, 0) + 1
            if track.kind == "video":
                frames["size"] = [frame.width, frame.height]
    except MediaStreamError:
        pass


def sections(text):
    """The feedback, extensions and formats of each section, as aiortc reads them."""
    found = []
    for media in SessionDescription.parse(text).media:
        lines = [("extmap", f"{one.id} {one.uri}") for one in media.rtp.headerExtensions]
        for codec in media.rtp.codecs:
            channels = f"/{codec.channels}" if (codec.channels or 1) > 1 else ""
            lines.append(("rtpmap", f"{codec.payloadType} {codec.name}/{codec.clockRate}{channels}"))
            for one in codec.rtcpFeedback:
                words = (str(codec.payloadType), one.type, one.parameter)
                lines.append(("rtcp-fb", " ".join(word for word in words if word)))
        found.append(lines)
    return found


async def play(url, seconds):
    connection = RTCPeerConnection()
    frames, tasks, failed = {}, [], asyncio.Event()

    @connection.on("track")
    def on_track(track):
        tasks.append(asyncio.ensure_future(count(track, frames)))

    @connection.on("connectionstatechange")
    def on_state():
        if connection.connectionState == "failed":
            failed.set()

    connection.addTransceiver("audio", direction="recvonly")
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    session = await asyncio.to_thread(Session, url, connection.localDescription.sdp)
    await connection.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    try:
        await asyncio.wait_for(failed.wait(), seconds)
    except asyncio.TimeoutError:
        pass
    state = connection.connectionState
    ended = await asyncio.to_thread(session.end)
    await connection.close()
    lines = unoffered(sections(session.offer), sections(session.answer))
    result = {"version": aiortc.__version__, "state": state, "frames": frames, "ended": ended}
    return {**result, "unoffered": lines}


args = arguments(__doc__, old="without AES-GCM, as aiortc 1.4 is")
if args.old:
    rtcdtlstransport.SRTP_PROFILES[:] = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]
print(json.dumps(asyncio.run(play(args.url, args.seconds))))
