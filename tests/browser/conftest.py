"""The real admin in headless Chromium: pages that watch themselves for trouble."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.templatetags.static import static
from django.test import Client
from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    ViewportSize,
    sync_playwright,
)

from tests.support.forms import LIST as LIST
from tests.support.forms import page_of as page_of

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_VIEWPORT: ViewportSize = {"width": 1280, "height": 720}  # that of Playwright
ColorScheme = Literal["light", "dark"]
_NO_BROWSER = "no browser: apt-get install chromium, or .venv/bin/playwright install chromium"
_QUIET = (
    "--disable-quic --disable-background-networking --disable-component-update --disable-sync --no-first-run"
)

# The pictures are taken on demand: `make picture`.
collect_ignore = [] if os.environ.get("DRIFTLOCK_SCREENSHOTS") else ["test_pictures.py"]


def rows(page: Page) -> Locator:
    """The lines of a list."""
    return page.locator("#result_list tbody tr")


def tick(page: Page, count: int) -> None:
    """Tick the first lines of a list."""
    for box in page.locator("input.action-select").all()[:count]:
        box.check()


def act(page: Page, action: str) -> None:
    """Choose what to do with the ticked lines, and do it."""
    page.locator("select[name=action]").select_option(action)
    follow(page.locator("button[name=index]"))


def follow(link: Locator) -> None:
    """Click, and be on the next page."""
    with link.page.expect_navigation():
        link.click()


@pytest.fixture(scope="package")
def browser(django_db_setup) -> Iterator[Browser]:
    """One Chromium for all tests; without one they are skipped, and fail where CI=true."""
    serialized = connection._test_serialized_contents
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs an event loop in this thread. Beside one Django refuses its database unless it is
        # given, and has other connections, which also need the name that a test's database begins with.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        connection._test_serialized_contents = serialized
        executable = _executable(playwright)
        if executable is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_NO_BROWSER)
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=executable, args=[*_QUIET.split(), *sandbox])
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, Any, Any]:
    """Tests skipped for want of a browser are one line in the summary, not one each."""
    report = yield
    if report.skipped and _NO_BROWSER in str(report.longrepr):
        report.longrepr = (__file__, 1, report.longrepr[2])
    return report


def _executable(playwright: Playwright) -> str | None:
    """The browser that DRIFTLOCK_CHROMIUM names, else the system's, else one of Playwright's own."""
    named = os.environ.get("DRIFTLOCK_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    own = playwright.chromium.executable_path
    return named or (own if Path(own).exists() else None)


class Desk:
    """Opens pages for people, and keeps what went wrong on any of them.

    One window is kept from test to test, emptied of what a test left in it: a new one starts a process and
    loads every style and script, which takes twice as long as to open a page.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.troubles: list[str] = []
        self._kept: Page | None = None
        self._kept_is_free = True

    def open(self, path: str = LIST, user: User | None = None, fresh: bool = False, **options: Any) -> Page:
        """A page in a browser window of its own, where ``user`` is logged in; ``fresh`` for a new window.

        A test that changes the window for good (its clock, a script in each page) asks for a fresh one.
        """
        page = self._new(**options) if fresh or not self._can_be_kept(options) else self._keep(**options)
        if user:
            page.context.add_cookies([{"name": "sessionid", "value": _session(user), "url": self.address}])
        page.goto(path)
        return page

    def _can_be_kept(self, options: dict[str, Any]) -> bool:
        return self._kept_is_free and options.keys() <= {"viewport", "color_scheme"}

    def _new(self, **options: Any) -> Page:
        context = self.browser.new_context(base_url=self.address, **options)
        context.set_default_timeout(10_000)
        page = context.new_page()
        self._watch(page)
        return page

    def _keep(self, viewport: ViewportSize = _VIEWPORT, color_scheme: ColorScheme = "light") -> Page:
        page = self._kept = self._kept or self._new()
        self._kept_is_free = False
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme)
        return page

    def answered(self, status: int) -> bool:
        """Return True if a page had this status, which is then not reported as an error."""
        found = [each for each in self.troubles if each.startswith(f"{status}: ") or f" {status} (" in each]
        self.troubles = [each for each in self.troubles if each not in found]
        return bool(found)

    def close(self) -> None:
        """Close every window but the kept one; that shows a file of the same origin then, which is idle."""
        for context in self.browser.contexts:
            if self._kept is None or context is not self._kept.context:
                context.close()
        if self._kept and not self._kept_is_free:
            kept, self._kept = self._kept, None  # a window that can't be emptied is not kept
            kept.goto(static("anomalies/queue.js"))
            kept.evaluate("localStorage.clear(); sessionStorage.clear()")
            kept.context.clear_cookies()
            self._kept, self._kept_is_free = kept, True

    def _watch(self, page: Page) -> None:
        page.on("console", lambda said: self._note(f"console: {said.text}", said.type == "error"))
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("dialog", lambda dialog: (self._note(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("requestfailed", self._check_failure)
        page.on("response", self._check)

    def _check(self, response: Response) -> None:
        self._note(f"{response.status}: {response.url}", response.status >= 400)

    def _check_failure(self, request: Request) -> None:
        left = request.failure == "net::ERR_ABORTED"  # somebody went on before an icon had come
        self._note(f"failed: {request.url} {request.failure}", not left)

    def _note(self, trouble: str, is_one: bool = True) -> None:
        if is_one:
            self.troubles.append(trouble)


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture(scope="package")
def _desk(browser, live_server) -> Desk:
    return Desk(browser, live_server.url)


@pytest.fixture
def desk(_desk, live_server) -> Iterator[Desk]:
    """The admin, served and watched: at a test's end there was no trouble on any page."""
    _desk.troubles = []
    yield _desk
    _desk.close()
    assert _desk.troubles == []
