"""A headless Chromium for the tests of the pages: it is used as a person would, by what is seen and by the names that a
screen reader speaks, never by the page's own identifiers.

Room: tests/e2e; python3-selenium, chromium-driver. Used by test_browser.py."""
import logging
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import (ElementClickInterceptedException, ElementNotInteractableException,
                                        NoSuchElementException, StaleElementReferenceException)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from box import wait_for

logging.getLogger("selenium").setLevel(logging.WARNING)

PHONE = (360, 640)
DESK = (1280, 800)
DRIVER = "/usr/bin/chromedriver"
# What a view redraws while it is looked at is looked for again.
PASSING = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException,
           NoSuchElementException)


class Browser:
    """One window with cookies and storage of its own."""

    def __init__(self, size=PHONE, language="en", dark=False):
        self.language = language[:2]
        self.profile = tempfile.mkdtemp(prefix="meterbox-browser-")
        options = Options()
        options.add_argument("--headless=new")
        options.add_argument("--disable-gpu")
        options.add_argument("--disable-dev-shm-usage")  # it is small in containers
        options.add_argument("--no-first-run")
        options.add_argument("--disable-background-networking")
        options.add_argument("--disable-component-update")
        options.add_argument(f"--lang={language}")
        options.add_argument(f"--user-data-dir={self.profile}")
        options.add_argument(f"--window-size={size[0]},{size[1]}")
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if dark:
            options.add_argument("--force-dark-mode")
        options.add_argument("--no-sandbox")  # it is neither for root nor for containers; all pages are our own
        if size[0] < 500:  # as a phone: narrower than any desktop window may be
            options.add_experimental_option("mobileEmulation", {
                "deviceMetrics": {"width": size[0], "height": size[1], "pixelRatio": 2.0, "touch": True, "mobile": True}})
        try:
            self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        except Exception:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(60)
        if size[0] >= 500:  # the window's own frame takes nothing from it
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False})

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # --- where ---

    def open(self, url):
        self.driver.get(url)

    def reload(self):
        self.driver.refresh()

    def text(self):
        """What can be seen on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def complaints(self):
        """What the page's console says of refused scripts, styles and connections, and of errors in scripts. Answers of 400
        and above are the tests' business."""
        return [line["message"] for line in self.driver.get_log("browser")
                if line["level"] == "SEVERE" and "Failed to load resource" not in line["message"]]

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    # --- what is there ---

    def _named(self, css, name):
        """The first visible element of that kind with this name: the whole of it, or else its beginning."""
        begins = None
        for element in self.driver.find_elements(By.CSS_SELECTOR, css):
            if not element.is_displayed():
                continue
            spoken = " ".join(element.accessible_name.split())
            if spoken == name:
                return element
            if begins is None and spoken.startswith(name):
                begins = element
        return begins

    def _wait(self, what, look):
        def safely():
            try:
                return look()
            except PASSING:
                return None
        return wait_for(lambda: f"{what}; the page says:\n{self.text()}", safely)

    def await_text(self, *words):
        """Until all of them can be seen."""
        return self._wait(f"to be seen: {words}", lambda: all(word in self.text() for word in words))

    def await_any(self, *words):
        """The first of the words that can be seen."""
        return self._wait(f"one of these to be seen: {words}",
                          lambda: next((word for word in words if word in self.text()), None))

    def has_button(self, name):
        element = self._named("button, a", name)
        return element is not None and element.is_enabled()

    # --- what a person does ---

    def press(self, name):
        """A button or a link, once it is there and enabled."""
        def look():
            element = self._named("button, a, summary", name)
            if element is None or not element.is_enabled():
                return None
            element.click()
            return True
        self._wait(f"a button {name!r} to press", look)

    def fill(self, name, text):
        """The field with this label; what was in it goes."""
        def look():
            element = self._named("input:not([type=checkbox]):not([type=radio]), textarea", name)
            if element is None or not element.is_enabled():
                return None
            element.clear()
            element.send_keys(text)
            return True
        self._wait(f"a field {name!r} to fill", look)

    def tick(self, name):
        """The checkbox or radio button with this label."""
        def look():
            element = self._named("input[type=checkbox], input[type=radio]", name)
            if element is None:
                return None
            if not element.is_selected():
                element.click()
            return element.is_selected()
        self._wait(f"a box {name!r} to tick", look)

    def choose(self, name, option):
        """An option of the list with this label."""
        def look():
            element = self._named("select", name)
            for each in element.find_elements(By.TAG_NAME, "option") if element else []:
                if each.text.startswith(option):
                    each.click()
                    return True
            return None
        self._wait(f"a list {name!r} with {option!r}", look)

    def settle(self):
        """Until two pictures of the page's text are the same: for screenshots only."""
        last = None
        for _ in range(20):
            text = self.text()
            if text == last:
                return
            last = text
            time.sleep(0.2)
