#!/usr/bin/python3
"""A camera for the tests: GStreamer's RTSP server with live test pictures.

Run with the system python3, which has Debian's gi. Each --mount is a comma-separated list of
key=value over the defaults below, for example
    --mount path=/gate,profile=high,width=1920,height=1080,sliced=1,preset=superfast,mtu=60000
Prints "ready PORT" once it listens, then serves until it is killed.
"""

import argparse
import json
import os
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

DEFAULTS = {
    "path": "/cam",
    "codec": "h264",  # h264, h265 or audio
    "profile": "baseline",
    "width": "640",
    "height": "360",
    "fps": "25",
    "gop": "25",
    "kbps": "1500",
    "noise": "",  # 160x120: a still of noise, as foliage is to an encoder, of which so much moves
    "quantizer": "24",  # with noise, in place of kbps
    "preset": "superfast",
    "sliced": "0",
    "threads": "1",
    "mtu": "1400",
    "sound": "",  # alaw, mulaw, g722, opus or aac, beside the picture
    "flash": "0",  # 1: black and silent but for the first 0.2 s of each second: white, and a tone
    "late": "0",  # milliseconds that the sound needs on its way to the payloader
    "elsewhere": "0",  # 1: the sound's clock is about to wrap, and the camera's stands in 1970
    "transports": "tcp+udp+multicast",  # those that it grants
    "deaf": "0",  # 1: makes no key frame when asked for one, as many cameras
}


def parse_mount(text):
    mount = dict(DEFAULTS)
    for pair in text.split(","):
        key, _, value = pair.partition("=")
        if key not in mount:
            raise argparse.ArgumentTypeError(f"unknown key {key!r}, known: {', '.join(mount)}")
        mount[key] = value
    return mount


# The rate of each sound, its encoder and payloader, whose name is that of the second track.
SOUNDS = {
    "alaw": (8000, "alawenc ! rtppcmapay name=pay1 pt=8"),
    "mulaw": (8000, "mulawenc ! rtppcmupay name=pay1 pt=0"),
    "g722": (16000, "avenc_g722 ! rtpg722pay name=pay1 pt=9"),
    "opus": (48000, "opusenc ! rtpopuspay name=pay1 pt=97"),
    "aac": (44100, "voaacenc ! aacparse ! rtpmp4gpay name=pay1 pt=97"),
}
TONE = "wave=sine freq=440"
BURSTS = "wave=ticks tick-interval=1000000000 freq=1000 sine-periods-per-tick=200"


def sound(m):
    """A tone of half the full scale, or bursts of it, encoded and packed in packets of 20 ms."""
    if not m["sound"]:
        return ""
    rate, encoder = SOUNDS[m["sound"]]
    wave = BURSTS if m["flash"] == "1" else TONE
    wrap = " timestamp-offset=4294960000 seqnum-offset=65500" if m["elsewhere"] == "1" else ""
    return (
        f"audiotestsrc is-live=true volume=0.5 {wave} samplesperbuffer={rate // 50} ! "
        f"audio/x-raw,rate={rate},channels=1 ! "
        f"queue name=way max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! {encoder}{wrap} "
    )


def launch_line(m):
    """The pipeline of a mount; its payloaders' names, pay0 and pay1, are what the server looks for."""
    if m["codec"] == "audio":
        return "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"
    caps = (
        f"video/x-raw,format=I420,width={m['width']},height={m['height']},"
        f"framerate={m['fps']}/1"
    )
    source = f"videotestsrc is-live=true pattern=smpte horizontal-speed=4 ! {caps} ! timeoverlay ! "
    rate = f"bitrate={m['kbps']}"
    if m["flash"] == "1":
        source = f"videotestsrc name=flash is-live=true pattern=black ! {caps} !"
    if m["noise"]:
        source = noise(m, caps)
        rate = f"pass=quant quantizer={m['quantizer']}"
    if m["codec"] == "h265":
        encoder = "x265enc tune=zerolatency speed-preset=ultrafast"
        return (
            f"( {source} {encoder} key-int-max={m['gop']} bitrate={m['kbps']} ! "
            f"rtph265pay name=pay0 pt=96 mtu={m['mtu']} {sound(m)})"
        )
    # Not tune=zerolatency, which would force sliced threads: they are a mount's own choice.
    return (
        f"( {source} x264enc key-int-max={m['gop']} {rate} speed-preset={m['preset']} "
        f"sliced-threads={m['sliced']} threads={m['threads']} "
        "bframes=0 rc-lookahead=0 sync-lookahead=0 mb-tree=false option-string=scenecut=0 ! "
        f"video/x-h264,profile={m['profile']} ! rtph264pay name=pay0 pt=96 mtu={m['mtu']} "
        f"{sound(m)})"
    )


def noise(m, caps):
    """A still with a piece of it that changes: its key frames are 50 times as large as others."""
    width, height = m["noise"].split("x")
    piece = f"video/x-raw,format=I420,width={width},height={height},framerate={m['fps']}/1"
    return (
        f"compositor name=all ! {caps} ! timeoverlay ! queue name=out "
        f"videotestsrc num-buffers=1 pattern=snow ! {caps} ! imagefreeze is-live=true ! all. "
        f"videotestsrc is-live=true pattern=snow ! {piece} ! all. out. ! "
    )


def configure(_factory, media, m, is_told):
    if is_told:
        reports(media, m)
    if m["deaf"] == "1":
        deafen(media)
    if m["flash"] == "1":
        flash(media, int(m["fps"]))
        clocks(media, m)
    if m["late"] != "0":
        delay(media, int(m["late"]))


def deafen(media):
    """Keeps viewers' wishes for a key frame from the encoder."""

    def swallow(_pad, info):
        is_wish = info.get_event().has_name("GstForceKeyUnit")
        return Gst.PadProbeReturn.DROP if is_wish else Gst.PadProbeReturn.OK

    pad = media.get_element().get_by_name("pay0").get_static_pad("sink")
    pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, swallow)


def flash(media, fps):
    """Makes the picture white for the first 0.2 s of each second."""
    source = media.get_element().get_by_name("flash")
    frame_ns = Gst.SECOND // fps
    black, white = 2, 3

    def choose(_pad, info):
        # The pattern is that of the next frame.
        begins = (info.get_buffer().pts + frame_ns + frame_ns // 2) % Gst.SECOND
        source.set_property("pattern", white if begins < Gst.SECOND // 5 else black)
        return Gst.PadProbeReturn.OK

    source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, choose)


def delay(media, late_ms):
    """Keeps the sound back without telling, as an encoder that is slow and has a queue."""
    pipeline = media.get_element()

    def wait(pad, info):
        element = pad.get_parent_element()
        due_ns = info.get_buffer().pts + late_ms * Gst.MSECOND
        now_ns = element.get_clock().get_time() - element.get_base_time()
        time.sleep(max(0, due_ns - now_ns) / Gst.SECOND)
        return Gst.PadProbeReturn.OK

    pad = pipeline.get_by_name("way").get_static_pad("src")
    pad.add_probe(Gst.PadProbeType.BUFFER, wait)


def clocks(media, m):
    """Has the camera's own reports speak of the time of capture, and of a clock in 1970."""

    def prepared(media):
        for element in media.get_element().get_parent().children:
            if element.get_factory().get_name() == "rtpbin":
                # What is sent late would be captured late otherwise.
                element.set_property("rtcp-sync-send-time", m["late"] == "0")
                if m["elsewhere"] == "1":
                    element.set_property("ntp-time-source", "clock-time")

    media.connect("prepared", prepared)


def reports(media, m):
    """Tells of the receiver reports that come, as GStreamer reads them."""

    def prepared(media):
        for track in range(media.n_streams()):
            session = media.get_stream(track).get_rtpsession()
            session.connect("on-ssrc-active", told, track)

    def told(_session, source, track):
        stats = source.get_property("stats")
        if not stats.get_boolean("have-rb").value:
            return
        report = {"path": m["path"], "track": track, "lost": stats.get_int("rb-packetslost").value}
        for key in ("fractionlost", "exthighestseq", "lsr"):
            report[key] = stats.get_uint(f"rb-{key}").value
        # Several threads tell: each line is written by one call.
        os.write(1, f"report {json.dumps(report)}\n".encode())

    media.connect("prepared", prepared)


def transports(factory, names):
    """Grants only these transports; multicast in groups of its own."""
    trans = GstRtsp.RTSPLowerTrans
    known = {"tcp": trans.TCP, "udp": trans.UDP, "multicast": trans.UDP_MCAST}
    granted = trans(0)
    for name in names.split("+"):
        granted |= known[name]
    factory.set_protocols(granted)
    pool = GstRtspServer.RTSPAddressPool()
    pool.add_range("239.81.17.1", "239.81.17.9", 15000, 15100, 4)
    factory.set_address_pool(pool)


def guard(auth, factories, method, user, password):
    """Lets only this user in, by Basic or by Digest."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", right, True)
        factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", default="0", help="0 picks a free one")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--mount", type=parse_mount, action="append", required=True)
    parser.add_argument("--auth", choices=("basic", "digest"))
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", help="a file; everything is within TLS then")
    parser.add_argument("--key")
    parser.add_argument("--reports", action="store_true", help="a line for each that comes")
    args = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(args.address)
    server.set_service(args.port)
    factories = []
    for mount in args.mount:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch_line(mount))
        factory.set_shared(True)
        transports(factory, mount["transports"])
        factory.connect("media-configure", configure, mount, args.reports)
        server.get_mount_points().add_factory(mount["path"], factory)
        factories.append(factory)
    auth = GstRtspServer.RTSPAuth()
    if args.auth:
        guard(auth, factories, args.auth, args.user, args.password)
    if args.certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(args.certificate, args.key))
    if args.auth or args.certificate:
        server.set_auth(auth)
    if server.attach(None) == 0:
        raise SystemExit(f"cannot listen on {args.address}:{args.port}")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
