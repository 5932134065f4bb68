"""What the WHEP players of these tests share: how they ask weir, and what they print."""

import argparse
import json
import urllib.error
import urllib.parse
import urllib.request


def ask(method, url, body=None):
    """The answer's status, headers and text; also those of a refusal."""
    headers = {"Content-Type": "application/sdp"}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


class Session:
    """One session: the offer's answer, why weir ended it, and the end."""

    def __init__(self, endpoint, offer):
        self.offer = offer
        self.status, headers, self.answer = ask("POST", endpoint, offer.encode())
        if self.status != 201:
            raise SystemExit(f"{self.status} {self.answer}")
        self.url = urllib.parse.urljoin(endpoint, headers["Location"])

    def end(self):
        """Ends it; the reason if weir already did."""
        status, _, text = ask("GET", self.url)
        if status == 404:
            return json.loads(text)["detail"]
        ask("DELETE", self.url)
        return None


def unoffered(offered, answered):
    """Feedback, extensions and formats of an answer's sections that the offer's have not (RFC 3264)."""
    kinds = ("rtcp-fb", "extmap", "rtpmap")
    lower = [[(name, (value or "").lower()) for name, value in section] for section in offered]
    return [
        f"{name}:{value}"
        for known, section in zip(lower, answered, strict=True)
        for name, value in section
        if name in kinds and (name, value.lower()) not in known
    ]


def arguments(description, **switches):
    """The command line: a camera's endpoint, for how long it is watched, and these switches."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=4)
    for name, text in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()
