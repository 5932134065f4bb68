#!/usr/bin/python3
"""GStreamer's depayloader as a judge: the video of a capture of RTP (pcap) as a byte stream, on stdout.

usage: depay.py FILE h264|hevc PAYLOAD-TYPE
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

NAMES = {"h264": "H264", "hevc": "H265"}


def main():
    path, codec, payload_type = sys.argv[1:]
    name = NAMES[codec]
    Gst.init(None)
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={name},payload={payload_type}"
    pipeline = Gst.parse_launch(
        f'filesrc location="{path}" ! pcapparse caps="{caps}" ! rtp{name.lower()}depay ! '
        f"video/x-{name.lower()},stream-format=byte-stream,alignment=nal ! fdsink fd=1"
    )
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    message = bus.timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(str(message and message.parse_error()))


if __name__ == "__main__":
    main()
