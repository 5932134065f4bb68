#!/usr/bin/python3
"""A WHEP player of aiortc: offers sound first, then a picture, and counts what it decodes.

Run with aiortc on the path. Prints one JSON object: aiortc's version, the connection's state, the
frames of each kind that were decoded in --seconds, and why weir ended the session, if it did.
"""

import asyncio
import json

import aiortc
from aiortc import RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from aiortc.mediastreams import MediaStreamError
from whep import Session, arguments


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
    return {"version": aiortc.__version__, "state": state, "frames": frames, "ended": ended}


args = arguments(__doc__, old="without AES-GCM, as aiortc 1.4 is")
if args.old:
    rtcdtlstransport.SRTP_PROFILES[:] = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]
print(json.dumps(asyncio.run(play(args.url, args.seconds))))
