#!/usr/bin/env python3
"""The pages in a real browser, used by what is seen: a customer's whole session on a phone, in both languages, reloaded at
every step; a pause, a lost server and a second customer; the operator's power-off, recharge, outlets for sale and chart;
attempts to see and to touch what is somebody else's.

usage: test_browser.py --meterboxd PROGRAM --boxsim PROGRAM --meterbox-ops PROGRAM [--pictures FOLDER]"""
import datetime
import json
import re
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import box
import ops
from box import arguments, wait_for
from browser import DESK, PHONE, Browser
from online import OnlineTest

CONTACT = "ann@example.org"
OTHER = "bob@example.org"
PASSWORD = "a-long-pass-word"
LABEL = "Bay 3, north side"
HOSTILE = "Bay <1> & \"gate\""  # still to be read as it is
LOAD_W = 7000
FLAT = {"currency": "EUR", "energy_price_micros": 420000, "service_price_micros": 80000, "quantum_micros": 100,
        "rounding": "half_up"}
STEP_MWH = 10000  # of the simulated meter's register
HOURS = 96  # in the chart
ANSWER_PLACES = 1000  # that one answer lists at most; two more are there from the start
BOX_OUTLETS = 16

EN = {"next": "Continue", "use_email": "Use an e-mail address", "email": "E-mail address", "send": "Send me a code",
      "code": "Code", "sign_in": "Sign in", "agree": "I have read this and agree", "choose": "How much power?",
      "recharge": "Recharge", "amount": "Amount", "pay_go": "Pay", "pay": "Pay", "paid": "Paid.", "back": "Back",
      "added": "has been added to your balance",
      "unlock": "Unlock the door", "plug": "Plug in", "plugged": "I have plugged in", "ready": "Ready to start",
      "start": "Start", "on": "Power is on", "stop": "Stop", "collect": "Collect your plug", "have": "I have my plug",
      "meter": "Meter number", "reason": "You stopped it.", "mine": "My sessions", "sign_out": "Sign out", "gone": "You have no such session",
      "open_door": "Please close the door of the socket."}
ZH = {"next": "下一步", "use_email": "改用邮箱", "email": "电子邮箱", "send": "获取验证码", "code": "验证码", "sign_in": "登录",
      "agree": "我已阅读并同意以上协议", "choose": "选择用电方式", "recharge": "充值", "amount": "金额",
      "pay_go": "去支付", "pay": "确认支付", "paid": "支付成功。", "back": "返回", "added": "已到账", "unlock": "开锁", "plug": "请插上插头", "plugged": "我已插好",
      "ready": "可以开始用电", "start": "开始用电", "on": "供电中", "stop": "结束用电", "collect": "请取回插头",
      "have": "我已取回插头", "meter": "电表编号", "reason": "您已结束用电。", "mine": "我的用电", "sign_out": "退出登录",
      "gone": "没有找到这条用电记录", "open_door": "请关好插座箱门。"}


def stamp(seconds):
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Pages(OnlineTest):
    def setUp(self):
        self.server = self.ops("--sandbox-payments")
        operator = self.server.operator
        self.site = self.join(self.server, tapped=False, door=(True, True))
        operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": FLAT})
        for outlet in (1, 2):
            operator("PUT", f"outlets/A{outlet}", {"box": "box-1", "outlet": outlet, "tariff": "flat", "label": LABEL})
        self.await_rest()

    def await_rest(self):
        """A box that has just started does not know when its locks were last pulsed: the first customers would wait."""
        rested = box.now_ms() + max(outlet["lock"]["rest_ms"] for outlet in self.site.check_config()["outlets"])
        wait_for("the locks' coils shall have rested", lambda: box.now_ms() > rested)

    def browser(self, **how):
        browser = Browser(**how)
        self.addCleanup(browser.close)
        self.addCleanup(lambda: self.assertEqual(browser.complaints(), []))
        return browser

    @staticmethod
    def picture(browser, name, language):
        """Where pictures are wanted, of the pages in this language."""
        if arguments.pictures and browser.language == language:
            browser.settle()
            browser.picture(Path(arguments.pictures, name + ".png"))

    # --- a customer's steps ---

    def sent_code(self, contact):
        """What the contact's owner reads."""
        def look():
            messages = self.server.operator("GET", "messages")["messages"]
            return next((re.search("[0-9]{6}", m["text"]).group() for m in messages if m["contact"] == contact), None)
        return wait_for(f"a code for {contact}", look)

    def sign_in(self, phone, words, contact=CONTACT, again=lambda: None):
        if phone.await_any(words["use_email"], words["email"]) == words["use_email"]:
            phone.press(words["use_email"])
        phone.fill(words["email"], contact)
        phone.press(words["send"])
        phone.await_text(contact)
        again()
        phone.await_text(contact)
        phone.fill(words["code"], self.sent_code(contact))
        phone.press(words["sign_in"])

    def recharge(self, phone, words, amount):
        phone.press(words["recharge"])
        phone.fill(words["amount"], amount)
        phone.press(words["pay_go"])
        wait_for("the provider's page", lambda: "/sandbox/pay/" in phone.driver.current_url)
        phone.press(words["pay"])
        phone.await_text(words["paid"])
        phone.press(words["back"])
        phone.await_text(words["added"])

    def order_of(self, phone):
        """The number of the order that the page shows."""
        return wait_for("the order's own address", lambda: re.search(r"#order/(c-[0-9a-f]{32})", phone.driver.current_url)).group(1)

    def whole_session(self, phone, words, reload):
        """From the door to the receipt. reload: what is done between all steps."""
        def again():
            if reload:
                phone.reload()
        phone.open(self.server.url() + "/o/A1")
        phone.await_text(LABEL, "0.50")
        self.picture(phone, "customer-door", "en")
        again()
        phone.press(words["next"])
        self.sign_in(phone, words, again=again)
        again()
        phone.await_text(words["agree"])
        phone.tick(words["agree"])
        phone.press(words["next"])
        phone.await_text(words["choose"])
        again()
        self.recharge(phone, words, "20")
        phone.await_text(words["choose"])
        phone.tick(words["amount"])
        phone.fill(words["amount"], "5")
        phone.press(words["unlock"])
        number = self.order_of(phone)
        phone.await_text(words["plug"])
        again()
        self.site.boxsim.do("open 1")
        self.site.boxsim.do(f"plug 1 {LOAD_W}")
        phone.press(words["plugged"])
        phone.await_text(words["open_door"])
        self.site.boxsim.do("close 1")
        phone.await_text(words["ready"])
        again()
        phone.press(words["start"])
        phone.await_text(words["on"])
        again()
        phone.await_text("7.00 kW")
        self.await_energy(number, 2 * STEP_MWH)
        phone.await_text("7.00 kW")
        self.picture(phone, "customer-live", "en")
        self.picture(phone, "customer-zh", "zh")
        phone.press(words["stop"])
        phone.await_text(words["collect"])
        again()
        self.site.boxsim.do("unplug 1")
        phone.press(words["have"])
        phone.await_text(words["reason"], words["meter"])
        again()
        self.assert_receipt(phone, number, words)
        self.picture(phone, "customer-receipt", "en")
        self.site.await_state(1, "available")
        return number

    def await_energy(self, number, mwh):
        def look():
            outlets = self.server.status("box-1")["outlets"]
            return any(o["progress"] and o["progress"].get("order") == number and o["progress"]["energy_mwh"] >= mwh
                       for o in outlets)
        wait_for(f"{mwh} mWh", look)

    def assert_receipt(self, phone, number, words):
        order = self.await_order(self.server, number, "done")
        receipt = order["receipt"]
        self.assertEqual(receipt["reason"], "customer")
        self.assertEqual(order["billed_micros"], box.price(FLAT, receipt["energy_mwh"]))
        whole, cut = divmod(receipt["start_mwh"], 10 ** 6)
        end, end_cut = divmod(receipt["start_mwh"] + receipt["energy_mwh"], 10 ** 6)
        phone.await_text(words["meter"])
        text = phone.text().replace(",", "")
        for figure in (f"{whole}.{cut:06}".rstrip("0"), f"{end}.{end_cut:06}".rstrip("0"),
                       f"{order['billed_micros'] / 10 ** 6:.4f}".rstrip("0"),
                       "000000000001" if "000000000001" in text else str(self.site.status()["outlets"][0]["meter"]["serial"])):
            self.assertIn(figure, text, f"the receipt of {order}")


class Customer(Pages):
    def test_a_whole_session_reloaded_at_every_step(self):
        phone = self.browser(size=PHONE, language="en-GB")
        number = self.whole_session(phone, EN, reload=True)
        self.assertEqual(self.server.check(), [])
        phone.press(EN["mine"])
        phone.press(EN["sign_out"])
        phone.open(self.server.url() + f"/o/A1#order/{number}")
        phone.await_text(EN["sign_in"])
        self.assertNotIn(EN["meter"], phone.text())

    def test_a_whole_session_in_chinese(self):
        phone = self.browser(size=PHONE, language="zh-CN")
        self.whole_session(phone, ZH, reload=False)
        self.assertEqual(phone.script("return document.documentElement.lang"), "zh-CN")
        phone.press("English")
        phone.await_text(EN["meter"])

    def test_until_full_through_a_pause_and_a_lost_server(self):
        phone = self.browser(size=PHONE, language="en-GB")
        phone.open(self.server.url() + "/o/A1")
        phone.press(EN["next"])
        self.sign_in(phone, EN)
        phone.tick(EN["agree"])
        phone.press(EN["next"])
        self.recharge(phone, EN, "20")
        phone.tick("Until full")
        phone.await_text("Stops by itself when your battery is full.")
        phone.press(EN["unlock"])
        number = self.order_of(phone)
        self.assertEqual(self.server.order_state(number)["until"], "full")
        phone.await_text(EN["plug"])
        self.site.boxsim.do(f"plug 1 {LOAD_W}")
        phone.press(EN["plugged"])
        phone.press(EN["start"])
        phone.await_text(EN["on"], "7.00 kW")
        self.keeps_its_shape(phone)
        self.rests_when_asked(phone)
        self.told_to_another()

        self.site.boxsim.do("open 1 force")
        phone.await_text("Paused", EN["open_door"])
        self.assertNotIn("Press Start", phone.text(), "there is no Start yet")
        self.site.boxsim.do("close 1")
        phone.await_text("Press Start")
        phone.press(EN["start"])
        phone.await_text(EN["on"])

        self.server.kill()
        phone.await_text("No connection. Trying again", EN["on"])
        self.server.start()
        wait_for("the page shall be live again", lambda: "No connection" not in phone.text())
        self.await_energy(number, 2 * STEP_MWH)
        phone.await_text(EN["on"], "0.02 kWh")
        phone.press(EN["stop"])
        phone.await_text(EN["collect"])
        self.site.boxsim.do("unplug 1")
        self.answered_late(phone, EN["have"], EN["meter"])
        self.assert_receipt(phone, number, EN)

    def keeps_its_shape(self, phone):
        """With wide letters and with letters of twice the size, what belongs together stays on one line, and in view."""
        for size in ("118%", "200%"):
            wrong = phone.script(
                "document.documentElement.style.fontSize = arguments[0];"
                "const box = (e) => e.getBoundingClientRect(), range = document.createRange(), wrong = [];"
                "for (const e of document.querySelectorAll('header a, header button, .two span, dd')) {"
                "  range.selectNodeContents(e);"
                "  if (e.textContent && new Set([...range.getClientRects()].map((r) => r.top)).size > 1)"
                "    wrong.push('broken: ' + e.textContent); }"
                "const bar = [...document.querySelectorAll('header a, header button')].map((e) => [e.textContent, box(e)]);"
                "bar.forEach(([a, r], i) => bar.slice(i + 1).forEach(([b, s]) => { if (r.right > s.left + 1 && s.right > r.left"
                "  && r.bottom > s.top && s.bottom > r.top) wrong.push('over each other: ' + a + ', ' + b); }));"
                "if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window');"
                "document.documentElement.style.fontSize = ''; return wrong;", size)
            self.assertEqual(wrong, [], size)

    def rests_when_asked(self, phone):
        def set_motion(value):
            phone.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                         {"features": [{"name": "prefers-reduced-motion", "value": value}]})
        set_motion("reduce")
        moving = phone.script("return document.getAnimations().length")
        set_motion("")
        self.assertEqual(moving, 0)

    def told_to_another(self):
        """Somebody else on the same door, signed in or not, finds no way on."""
        other = self.browser(size=PHONE, language="en-GB")
        other.open(self.server.url() + "/o/A1")
        other.await_text("In use", "If it is yours")
        other.press(EN["sign_in"])
        self.sign_in(other, EN, OTHER)
        other.await_text("In use", "Please take another socket.")
        self.assertNotIn("If it is yours", other.text())
        self.assertFalse(other.has_button(EN["next"]))
        other.open(self.server.url() + "/o/A1#choose")
        other.reload()
        other.await_text("In use")

    def answered_late(self, phone, button, news):
        """What a press is answered with comes after the news that it made, and must not undo them."""
        phone.script(
            "const ask = window.fetch; window.fetch = async (path, how) => { const answer = await ask(path, how);"
            "if (how && how.method === 'POST') { while (!document.body.innerText.includes(arguments[0]))"
            "  await new Promise((go) => setTimeout(go, 50)); setTimeout(() => window.late = true, 200); } return answer; };", news)
        phone.press(button)
        wait_for("the late answer", lambda: phone.script("return window.late === true"))
        self.assertIn(news, phone.text())

    def test_what_is_somebody_elses(self):
        ann = self.browser(size=PHONE, language="en-GB")
        number = self.whole_session(ann, EN, reload=False)
        bob = self.browser(size=PHONE, language="en-GB")
        bob.open(self.server.url() + "/")
        self.sign_in(bob, EN, OTHER)
        bob.await_text("You have no sessions yet.")
        bob.open(self.server.url() + f"/#order/{number}")
        bob.reload()
        bob.await_text(EN["gone"])
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("POST", "/unlock"), ("POST", "/start"),
                             ("POST", "/departed"), ("POST", "/credit")):
            body = json.dumps({"micros": 10000, "key": "k"} if path == "/credit" else {}) if method == "POST" else None
            status, told = self.fetch(bob, method, f"/v1/customer/orders/{number}{path}", body)
            nobodys = f"c-{'0' * 32}"
            none = self.fetch(bob, method, f"/v1/customer/orders/{nobodys}{path}", body)
            self.assertEqual(status, 404, path)
            self.assertEqual((404, told.replace(number, nobodys)), none, "somebody else's order looks different from none")
        status, told = self.fetch(bob, "GET", "/v1/customer/orders", None)
        self.assertEqual(json.loads(told)["orders"], [])
        status, _ = self.fetch(bob, "GET", "/v1/operator/boxes", None)
        self.assertEqual(status, 401)
        # A script that got into the page would find no token.
        self.assertEqual(bob.script("return document.cookie"), "")
        stored = bob.script("return JSON.stringify(Object.values(localStorage))")
        for cookie in bob.driver.get_cookies() + ann.driver.get_cookies():
            self.assertNotIn(cookie["value"], stored)
        self.assertEqual(self.server.order_state(number)["state"], "done")

    @staticmethod
    def fetch(browser, method, path, body):
        """(status, text) of a call that a script on the page makes."""
        return tuple(browser.driver.execute_async_script(
            "const [method, path, body, done] = arguments;"
            "fetch(path, {method, body, headers: body ? {'Content-Type': 'application/json'} : {}})"
            ".then(async (r) => done([r.status, await r.text()])).catch((e) => done([0, String(e)]));", method, path, body))

    def test_what_is_typed_stays_text(self):
        self.server.operator("PUT", "outlets/A1", {"box": "box-1", "outlet": 1, "tariff": "flat", "label": HOSTILE})
        phone = self.browser(size=PHONE, language="en-GB")
        phone.open(self.server.url() + "/o/A1")
        phone.await_text(HOSTILE)
        phone.press(EN["next"])
        phone.press(EN["use_email"])
        phone.fill(EN["email"], "<img/src=x>@example.org")
        phone.press(EN["send"])
        phone.await_text("Please check it.")
        self.assertEqual(phone.script("return document.querySelectorAll('img').length"), 0)
        # The policy holds: nothing that the page did not bring runs.
        self.assertEqual(phone.script(
            "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
            "return window.ran === undefined"), True)
        self.assertTrue(phone.complaints(), "the browser refused nothing")  # and they are read, so that close() finds none


class Operator(Pages):
    def desk(self, name, role, language="en-GB", place="box-1", size=DESK):
        self.server.operator("PUT", f"staff/{name}", {"role": role, "password": PASSWORD})
        desk = self.browser(size=size, language=language)
        desk.open(self.server.url() + "/desk")
        zh = language.startswith("zh")
        desk.fill("姓名" if zh else "Name", name)
        desk.fill("密码" if zh else "Password", PASSWORD)
        desk.press("登录" if zh else "Sign in")
        desk.await_text("实时" if zh else "live", place)
        return desk

    def supply(self, number, outlet=1, account="ann"):
        self.server.account(account, 5000000)
        self.sell(self.server, self.site, number, outlet=outlet, account=account, load_w=LOAD_W, credit=2000000)

    def test_power_off(self):
        self.supply("o-1")
        desk = self.desk("wei", "operator")
        desk.press("box-1")
        desk.await_text("7.00 kW")
        self.await_energy("o-1", 2 * STEP_MWH)
        desk.press("Power off")
        desk.await_text("o-1 ends for good")
        desk.press("Cancel")
        self.assertEqual(self.site.state_of(1), "supplying")
        desk.press("Power off")
        self.confirm(desk, "Power off")
        order = self.await_order(self.server, "o-1", "done")
        self.assertEqual(order["receipt"]["reason"], "operator")
        acts = self.server.operator("GET", "acts")["acts"]
        self.assertTrue(any(a["who"] == "wei" and a["subject"] == "box-1" for a in acts), acts)
        command = [r for r in map(json.loads, self.server.records()) if r["kind"] == "command" and r["type"] == "power_off"]
        self.assertEqual([(r["name"], r["actor"], r["outcome"]) for r in command], [("wei", "operator", "done")])

    @staticmethod
    def confirm(desk, name):
        """The dialog's own button."""
        def look():
            for button in desk.driver.find_elements("css selector", "dialog[open] button"):
                if button.is_displayed() and button.text.strip() == name:
                    button.click()
                    return True
            return None
        wait_for(f"a dialog with {name!r}", look)

    def test_recharge_in_chinese(self):
        self.server.account("ann", 0)
        desk = self.desk("li", "manager", "zh-CN")
        desk.press("账户")
        desk.press("ann")
        desk.press("充值")
        desk.fill("金额", "12.34")
        desk.fill("原因", "paid in cash at the counter")
        desk.tick("确认已收到该款项")
        self.confirm(desk, "充值")
        wait_for("the money", lambda: self.server.balance("ann") == 12340000)
        desk.await_text("12.34", "paid in cash at the counter")
        self.assertEqual(self.server.check(), [])

    def test_a_code_that_is_taken(self):
        """It is the last of more than one answer holds."""
        offer = self.server.operator
        for number in range(ANSWER_PLACES):
            name = f"row-{number // BOX_OUTLETS + 1}"
            if number % BOX_OUTLETS == 0:
                self.server.provision(name)
            offer("PUT", f"outlets/P{number + 1:04}", {"box": name, "outlet": number % BOX_OUTLETS + 1, "tariff": "flat",
                                                       "label": f"Bay {number + 1}"})
        last = f"P{ANSWER_PLACES:04}"
        desk = self.desk("li", "manager")
        desk.press("Outlets for sale")
        desk.await_text(last)
        desk.press("Offer an outlet")
        desk.fill("Code", last)
        desk.fill("Label", "Another bay")
        desk.choose("Box", "box-1")
        desk.fill("Outlet", "9")
        desk.press("Save")
        desk.await_text(f"{last} is on sale already:", f"“Bay {ANSWER_PLACES}”")
        desk.press("Cancel")
        kept = offer("GET", f"outlets?after=P{ANSWER_PLACES - 1:04}")["outlets"]
        self.assertEqual([(p["code"], p["label"]) for p in kept], [(last, f"Bay {ANSWER_PLACES}")])
        desk.press("Save")
        self.confirm(desk, "Replace")
        desk.await_text("Another bay")

    def test_the_chart_of_a_week(self):
        began = time.time() // 3600 * 3600 - HOURS * 3600
        played = ops.Box(self.server, "box-2")
        for outlet in (1, 2):
            played.records.add("meter", outlet, register=0, serial=f"m-{outlet}", time=stamp(began - 3600))
        played.report()
        self.server.operator("PUT", "outlets/B1", {"box": "box-2", "outlet": 1, "tariff": "flat", "label": LABEL})
        self.server.account("ann", 400000000)
        self.server.order("o-3", "box-2", credit=300000000)
        stream = self.enterContext(played.stream())  # it stays online
        played.records.authorized(stream.command()[1])
        register = 0
        played.records.started(1, register, time=stamp(began))
        for hour in range(1, HOURS + 1):
            register += 1000 * (hour * 7 % 24 * 250)
            played.records.add("mark", 1, "o-3", register, energised_ms=hour * 3600000, time=stamp(began + hour * 3600))
        played.report(ops.progress(1, state="supplying", order="o-3", power_mw=5750000, energy_mwh=register,
                                   register_mwh=register, energised_ms=HOURS * 3600000, cost_micros=register,
                                   remaining_micros=300000000 - register, remaining_ms=15026000), ops.progress(2))
        desk = self.desk("wei", "operator", place="box-2", size=(1280, 1060))
        desk.press("box-2")
        desk.press("Week")
        desk.await_text(f"{register // 10 ** 6}.{register // 1000 % 1000:03} kWh, highest load")
        self.picture(desk, "desk", "en")
        desk.press("切换到中文")
        desk.await_text("最高负荷")
        desk.language = "zh"
        self.picture(desk, "desk-zh", "zh")

    def test_a_viewer_acts_on_nothing(self):
        self.supply("o-2", outlet=2)
        desk = self.desk("eve", "viewer")
        desk.press("box-1")
        desk.await_text("7.00 kW")
        for name in ("Power off", "Unlock", "Clear fault", "Reserve", "Out of service", "Recharge"):
            self.assertFalse(desk.has_button(name), name)
        status, told = Customer.fetch(desk, "POST", "/v1/operator/boxes/box-1/commands",
                                      json.dumps({"type": "power_off", "outlet": 2, "order": "o-2"}))
        self.assertEqual((status, json.loads(told)["error"]["code"]), (403, "forbidden"))
        status, _ = Customer.fetch(desk, "GET", "/v1/operator/messages", None)
        self.assertEqual(status, 403)
        self.assertEqual(self.site.state_of(2), "supplying")

    def test_a_wrong_password(self):
        self.server.operator("PUT", "staff/wei", {"role": "manager", "password": PASSWORD})
        desk = self.browser(size=DESK, language="en-GB")
        desk.open(self.server.url() + "/desk")
        desk.fill("Name", "wei")
        desk.fill("Password", "not-this-password")
        desk.press("Sign in")
        desk.await_text("Name or password is wrong.")
        self.assertEqual(desk.driver.get_cookies(), [])


if __name__ == "__main__":
    box.main([("--meterbox-ops", {"required": True}),
              ("--pictures", {"metavar": "FOLDER", "help": "leaves pictures of the pages there"})])
