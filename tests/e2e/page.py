"""A page of Buildbot in a browser."""

from __future__ import annotations

from selenium import webdriver

from tests.instance import Instance
from tests.processes import ARTIFACTS
from tests.waiting import wait_until

#: Of the browser's window, in pixels.
WIDTH, HEIGHT = 1280, 900
#: Clicks the first element of an XPath, in one go, and returns whether there is one.
CLICK = """
const type = XPathResult.FIRST_ORDERED_NODE_TYPE;
const found = document.evaluate(arguments[0], document, null, type, null).singleNodeValue;
found?.click();
return found !== null;
"""


class Page:
    """The browser at one page of an instance."""

    def __init__(self, browser: webdriver.Chrome, instance: Instance) -> None:
        self.browser = browser
        self._instance = instance

    def open(self, path: str) -> None:
        """Goes to a page, afresh: the interface is one page that only changes its contents."""
        self.browser.set_window_size(WIDTH, HEIGHT)
        self.browser.get("about:blank")
        self.browser.get(f"{self._instance.url}{path}")

    def text(self) -> str:
        """All that can be read."""
        # In one go: an element that was found may be gone before it is asked for its text.
        text: str = self.browser.execute_script("return document.body?.innerText ?? ''")
        return text

    def wait_for(self, *texts: str) -> None:
        """Waits until all of these can be read."""
        wait_until(
            f"{texts} on the page",
            lambda: all(text in self.text() for text in texts),
            30,
            seen=self.text,
        )

    def click(self, text: str, tag: str = "*") -> None:
        """Clicks the first thing with this text."""
        xpath = f"//{tag}[text()[contains(., {text!r})]]"
        wait_until(
            f"{text!r} to click",
            lambda: self.browser.execute_script(CLICK, xpath),
            30,
            seen=self.text,
        )

    def keep(self, name: str) -> None:
        """Keeps a screenshot of the whole page, in .build/artifacts."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        height = self.browser.execute_script(
            "return Math.max(...[...document.querySelectorAll('*')].map(e => e.scrollHeight))"
        )
        self.browser.set_window_size(WIDTH, max(HEIGHT, min(height + 200, 3 * HEIGHT)))
        self.browser.save_screenshot(str(ARTIFACTS / f"{self._instance.name}-{name}.png"))
