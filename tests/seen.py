"""HTML as a person sees it, and names that would like to be more than text."""

from html.parser import HTMLParser

HOSTILE = [
    "<img src=x onerror=alert(1)>.wav",
    '"><script>alert(1)</script>.wav',
    "${alert(1)} {{alert(2)}}.wav",
    "**bold** [link](javascript:alert(1)).wav",
    "'onload='alert(1).wav",
    "x" * 300 + ".wav",
    "\u202egnp.wav",
]


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.words.append(data)
