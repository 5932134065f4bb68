#!/usr/bin/python3
"""A WHEP player of GStreamer's webrtcbin, used as whepsrc does: offers sound first, then a picture.

Prints one JSON object: GStreamer's version, the connection's state, lines of the answer that were not
offered, the frames of each kind that were decoded in --seconds, why weir ended the session, if it did,
and what webrtcbin says of the answer, if it refuses that.
"""

import json

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402
from whep import Session, arguments, unoffered  # noqa: E402

RTP = "application/x-rtp,media"
SOUND = (
    f"{RTP}=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2;"
    f"{RTP}=audio,encoding-name=PCMA,payload=8,clock-rate=8000"
)
PICTURE = (
    f"{RTP}=video,encoding-name=H264,payload=102,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f"
)


class Player:
    def __init__(self, url, seconds):
        self.url, self.seconds, self.session = url, seconds, None
        self.result = {"version": Gst.version_string(), "frames": {}}
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline()
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        for caps in (SOUND, PICTURE):
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        self.webrtc.connect("on-negotiation-needed", self.negotiate)
        self.webrtc.connect("pad-added", self.decode)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        # What a refused handshake ends in; an answer that is refused is told to its promise.
        bus.connect("message::error", lambda *_: self.loop.quit())

    def negotiate(self, _webrtc):
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def offered(self, promise):
        # The reply owns the offer, and must live as long.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        GLib.idle_add(self.post, offer.sdp.as_text())

    def post(self, offer):
        try:
            self.session = Session(self.url, offer)
        except BaseException:
            self.loop.quit()
            raise
        _, sdp = GstSdp.SDPMessage.new_from_text(self.session.answer)
        _, offered = GstSdp.SDPMessage.new_from_text(offer)
        self.result["unoffered"] = unoffered(sections(offered), sections(sdp))
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        taken = Gst.Promise.new_with_change_func(self.answered)
        self.webrtc.emit("set-remote-description", answer, taken)
        GLib.timeout_add(int(self.seconds * 1000), self.loop.quit)

    def answered(self, promise):
        reply = promise.get_reply()
        if reply and reply.has_field("error"):
            self.result["refuses"] = reply.get_value("error").message
            self.loop.quit()

    def decode(self, _webrtc, pad):
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.watch)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def watch(self, _decoder, pad):
        sink = Gst.ElementFactory.make("fakesink")
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        kind = pad.get_current_caps().get_structure(0).get_name().split("/")[0]
        pad.add_probe(Gst.PadProbeType.BUFFER, self.count, kind)

    def count(self, _pad, _info, kind):
        frames = self.result["frames"]
        frames[kind] = frames.get(kind, 0) + 1
        return Gst.PadProbeReturn.OK

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.result["state"] = self.webrtc.get_property("connection-state").value_nick
        self.result["ended"] = self.session and self.session.end()
        self.pipeline.set_state(Gst.State.NULL)
        return self.result


def sections(sdp):
    """The attributes of each section, as GStreamer reads them."""
    medias = [sdp.get_media(at) for at in range(sdp.medias_len())]
    attributes = [[media.get_attribute(at) for at in range(media.attributes_len())] for media in medias]
    return [[(one.key, one.value) for one in section] for section in attributes]


Gst.init(None)
args = arguments(__doc__)
print(json.dumps(Player(args.url, args.seconds).run()))
