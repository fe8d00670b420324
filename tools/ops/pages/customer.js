/* The customer's page: from the code on a socket's door to the receipt.
 *
 * What counts is on the server. Here are which view is open (the address's hash) and what was typed (localStorage), so
 * that a reload finds the same place. Money and energy are integers, in millionths, up to 2^53; none is divided. */
'use strict';

/* m_: what is missing, in the box's own words, by which a refusal is found, too (and w_); r_: why it ended; e_: errors;
 * p_: where an order is; is_, do_: a socket. */
const TEXTS = {};
`
other|中文|English
again|Try again|重试
back|Back|返回
next|Continue|下一步
mine|My sessions|我的用电
lost|No connection. Trying again …|网络已断开，正在重新连接……
regained|Connected again.|网络已恢复。
sorry|The page could not be loaded|页面加载失败
unknown|This code is not known|无法识别此二维码
unknown_do|Please scan the code on the door again.|请重新扫描箱门上的二维码。
gone|You have no such session|没有找到这条用电记录
per_kwh|{0} per kWh|{0}/度
price|Price now|当前电价
rate|now: {0}|当前时段：{0}
fee|plus {0} for the start|另收启动费 {0}（每次）
prices|Prices by time of day|分时电价
is_available|Free|空闲
is_reserved|Reserved|已被预约
is_busy|In use|使用中
is_faulted|Out of order|故障停用
is_out_of_service|Out of service|暂停服务
is_unknown|Not ready yet|尚未就绪
is_offline|No connection to the box|设备离线
do_taken|If it is yours, go on. Or take another socket.|如果是您本人在用或预约的，请继续；否则请换一个插座。
do_other|Please take another socket.|请换一个插座。
do_wait|This page looks again by itself. Or take another socket.|页面会自动刷新，也可以换一个插座。
sign_in|Sign in|登录
sign_out|Sign out|退出登录
sign_why|We send you a code. You need no password.|我们会给您发送验证码，无需密码。
tel|Phone number|手机号
tel_how|With the country code: +49 170 1234567|中国大陆手机号可直接输入，其他地区请加国际区号
email|E-mail address|电子邮箱
use_email|Use an e-mail address|改用邮箱
use_tel|Use a phone number|改用手机号
send|Send me a code|获取验证码
sent|Enter the code|输入验证码
sent_to|We have sent six digits to {0}.|6 位验证码已发送至 {0}。
code|Code|验证码
resend|Send another code|重新发送
change|Not {0}?|不是 {0}？
agreement|The agreement|用电服务协议
version|Version {0}|版本 {0}
agree|I have read this and agree|我已阅读并同意以上协议
choose|How much power?|选择用电方式
energy|Energy|电量
time|Time|时长
amount|Amount|金额
full|Until full|充满自停
credit|Until I stop|随用随停
d_full|Stops by itself when your battery is full.|电池充满后自动断电。
d_credit|Stops when you say so, or when your balance is used up.|随时手动结束，余额用完自动断电。
minutes|minutes|分钟
kwh|kWh|度
less|Less|减少
more|More|增加
about|about {0}|约 {0}
balance|Balance|余额
balance_then|Balance if you stop now|现在结束后余额
spendable|Of that free to use|其中可用
left|Left for this session|本次剩余额度
hold|Part of your balance is held meanwhile; what is left comes back.|用电期间冻结部分余额，结束后按实际用量扣费，其余解冻。
unlock|Unlock the door|开锁
pay|Recharge|充值
pay_go|Pay|去支付
paid|{0} has been added to your balance.|{0} 已到账。
failed|{0} was not paid. Nothing was charged.|{0} 支付未完成，未扣款。
pay_open|The payment of {0} is not finished yet. This page looks again by itself.|{0} 的支付尚未完成，页面会自动刷新。
pay_resume|Go on with this payment|继续支付
pay_other|Pay another amount|更换金额
add|Add credit|追加额度
add_why|It goes from your balance to this session.|从余额划入本次用电。
added|{0} has been added to this session.|已为本次用电追加 {0}。
p_sending|Unlocking …|正在开锁……
p_sending_do|This takes a few seconds. The door will click.|通常只需几秒，听到“咔哒”声即已开锁。
p_waiting|Waiting for the box …|正在等待设备……
p_plug|Plug in|请插上插头
p_plug_do|The door is unlocked. Put in your plug and close the door. There is no power yet.|箱门已开锁。请插好插头并关上箱门，此时插座尚未通电。
plugged|I have plugged in|我已插好
p_missing|Not quite ready|还差一步
p_ready|Ready to start|可以开始用电
p_ready_do|The socket gets power as soon as you press Start. Is your appliance ready?|点击“开始用电”后插座立即通电，请确认用电设备已准备好。
start|Start|开始用电
starting|Starting …|正在启动……
unplugged|I have not plugged in yet|我还没有插好
reopen|Open the door again|再次开锁
cancel|Cancel|取消
p_supplying|Power is on|供电中
p_paused|Paused: power is off|已暂停供电
p_paused_do|Press Start to go on. The time stands still meanwhile.|点击“开始用电”恢复供电，暂停期间不计时长。
stop|Stop|结束用电
p_ending|Stopping …|正在结束……
p_ending_do|The meter is being read. Please leave the plug in for a moment.|正在断电并读取电表，请稍候再拔插头。
p_collect|Collect your plug|请取回插头
p_collect_do|The power is off. Unlock the door, take out your plug and close the door.|已断电。请开锁、拔下插头并关好箱门。
departed|I have my plug|我已取回插头
p_faulted|The socket has a fault|插座出现故障
p_faulted_do|It has ended. If the door stays locked, call the operator.|本次用电已结束。如果箱门无法打开，请联系运营方。
p_over|Cancelled|已取消
p_over_do|Nothing was charged.|未产生任何费用。
no_box|The box has no connection at the moment. What you press arrives when it is back.|设备暂时离线，您的操作将在恢复连接后执行。
old|The figures are {0} old.|以下数据更新于 {0}前。
low|Your credit is nearly used up. Add some, or the power goes off.|额度即将用完，请及时追加，否则将自动断电。
duration|Time with power|用电时长
power|Power|功率
cost|Cost so far|当前费用
limit|Your limit|设定上限
time_left|Lasts for about|预计还可用
h_min|{0} h {1} min|{0} 小时 {1} 分钟
min|{0} min|{0} 分钟
sec|{0} s|{0} 秒
refused|“{0}” was not possible. {1}|“{0}”未成功。{1}
receipt|Receipt|用电账单
ours|This was our fault: you pay nothing.|因设备原因结束，本次免费。
not_final|The meter could not be read at the end. The bill may change.|未能读到电表结束读数，账单可能调整。
total|Total|合计
l_energy|Energy|电费
l_service|Service|服务费
l_start|Start|启动费
captured|Paid from your balance|余额支付
written_off|Not charged to you|免收
reg_start|Meter at the start|电表起始读数
reg_end|Meter at the end|电表结束读数
meter|Meter number|电表编号
made|Ordered|下单时间
ended|Ended|结束时间
accepted|Agreement accepted|同意协议
order|Order|订单号
print|Print|打印
anew|New session here|再次使用此插座
now|Now|进行中
none|You have no sessions yet.|暂无用电记录。
older|Show older ones|查看更早记录
m_metering_door|The door of the metering box is open.|计量箱门未关。
m_user_door|Please close the door of the socket.|请关好插座箱门。
m_meter|The meter does not answer yet.|电表暂无应答，请稍候。
m_plausible|The meter's reading is being checked.|正在核对电表读数，请稍候。
m_commissioned|The meter is not the one that was registered for this socket.|电表与登记的不一致，请换一个插座。
m_breaker_open|The power is being switched off. One moment, please.|正在断电，请稍候。
m_no_fault|The socket has a fault and must be checked.|插座有故障，需要检修，请换一个插座。
m_storage|The box cannot store your session safely at the moment.|设备暂时无法保存用电数据，请稍后再试。
m_credit|The credit is used up.|额度已用完，请追加额度。
m_clock|The box does not know the time yet, on which the price depends.|设备时间尚未校准，暂时无法按分时电价计费。
w_credit|the credit does not pay for any energy|额度不足以用电。
w_expired|It reached the box too late. Please try again.|指令未能及时送达设备，请重试。
w_welded|the breaker is welded: a technician must come|断路器触点粘连，请联系运营方派人处理。
r_customer|You stopped it.|您已结束用电。
r_credit_exhausted|The credit was used up.|额度已用完。
r_limit_energy|The energy you chose was reached.|已达到设定电量。
r_limit_time|The time you chose was reached.|已达到设定时长。
r_limit_amount|The amount you chose was reached.|已达到设定金额。
r_full|Your battery is full.|电池已充满。
r_idle|No power was used for a long time.|长时间未用电。
r_not_started|It was not started in time.|未在规定时间内开始用电。
r_door|A door was opened.|箱门被打开。
r_tamper|The metering box was opened without permission.|计量箱被异常打开。
r_overload|Your appliance took more power than the socket can give.|用电功率超过插座上限。
r_overvoltage|The mains voltage was too high.|电网电压过高。
r_undervoltage|The mains voltage was too low.|电网电压过低。
r_phase_loss|A phase of the mains was missing.|电源缺相。
r_overtemperature|The socket became too hot.|插座温度过高。
r_leakage|The leakage protection acted. Have your appliance checked.|漏电保护动作，请检查您的用电设备。
r_tripped|The circuit breaker tripped. Have your appliance checked.|断路器跳闸，请检查您的用电设备。
r_emergency_stop|The emergency stop was pressed.|急停按钮被按下。
r_reverse_energy|Power flowed backwards.|检测到反向送电。
r_box_limit|All sockets together took too much power.|电箱总负荷已达上限。
r_meter_silent|The meter stopped answering.|电表无应答。
r_meter_implausible|The meter's readings were doubtful.|电表读数异常。
r_meter_replaced|The meter was replaced.|电表已更换。
r_breaker_fault|The breaker has a fault.|断路器故障。
r_storage|The box could not store its data.|设备存储故障。
r_clock|The box lost the time.|设备时间异常。
r_lease_expired|The box had no connection for too long.|设备离线时间过长。
r_power_lost|The mains power failed.|电网停电。
r_server|The service ended it.|平台已结束本次用电。
r_operator|The operator ended it.|运营人员已结束本次用电。
r_technician|A technician ended it.|维护人员已结束本次用电。
e_offline|No connection. Nothing is lost: please try again.|网络不通，请重试，不会重复操作。
e_internal|Something went wrong. Please try again in a minute.|系统繁忙，请稍后再试。
e_bad_code|The code has six digits.|验证码为 6 位数字。
e_bad_number|Please enter a number above 0.|请输入大于 0 的数字。
e_agree|Please tick the box first.|请先勾选同意协议。
e_unauthorized|Please sign in again.|登录已失效，请重新登录。
e_bad_request|Please check it. This was not accepted.|输入有误，请检查后重试。
e_not_offered|This is not offered here.|此处不提供该服务。
e_conflict|This is not possible just now. Please try again.|当前无法操作，请稍后重试。
e_insufficient_funds|Your balance is too low for this. Please recharge first.|余额不足，请先充值。
e_agreement_changed|The agreement has changed. Please read it again.|协议已更新，请重新阅读。
e_tariff_changed|The price has changed.|电价已更新。
e_outlet_unavailable|This socket is not free, or you have too many open sessions.|此插座暂时无法使用，或您未结束的用电过多。
e_too_many|That was too often. Please wait {0}.|操作过于频繁，请 {0}后再试。
e_wrong_code|The code is wrong. Please look again.|验证码错误，请重新输入。
e_code_void|The code is no longer valid. Please ask for another.|验证码已失效，请重新获取。
rate_sharp|sharp|尖峰
rate_peak|peak|高峰
rate_flat|flat|平段
rate_valley|valley|低谷
`.trim().split('\n').forEach((line) => {
	const [name, ...texts] = line.split('|');
	TEXTS[name] = texts;
});

const OURS = ['meter_silent', 'meter_implausible', 'breaker_fault', 'storage', 'clock'];

/* --- texts, numbers, times --- */

const $ = (id) => document.getElementById(id);

/* A browser may keep nothing. */
function kept(name) {
	try {
		return JSON.parse(localStorage.getItem('meterbox.' + name));
	} catch (e) {
		return null;
	}
}

function keep(name, value) {
	try {
		localStorage.setItem('meterbox.' + name, JSON.stringify(value));
	} catch (e) {
		/* so be it */
	}
}

let zh = (kept('lang') || navigator.language).startsWith('zh');
let currency = null;

const t = (key, ...values) => (TEXTS[key] || ['', ''])[zh ? 1 : 0].replace(/\{(\d)\}/g, (all, i) => values[i]);
const locale = () => zh ? 'zh-CN' : 'en-GB';
const rateName = (name) => t('rate_' + name) || name;

/* Millionths with `least` to `most` decimals, not rounded: only the whole part is formatted. */
function decimal(millionths, least, most, options) {
	const size = Math.abs(millionths);
	const whole = (size - size % 1e6) / 1e6;
	let digits = String(size % 1e6).padStart(6, '0').slice(0, most);
	while (digits.length > least && digits.endsWith('0'))
		digits = digits.slice(0, -1);
	const decimals = {minimumFractionDigits: digits.length, maximumFractionDigits: digits.length};
	return new Intl.NumberFormat(locale(), Object.assign(decimals, options))
		.formatToParts(millionths < 0 ? -whole : whole)
		.map((part) => part.type === 'fraction' ? digits : part.value).join('');
}

/* With the currency's usual decimals; more where the amount has more, unless it is cut. */
function money(micros, cut) {
	const options = currency ? {style: 'currency', currency} : {minimumFractionDigits: 2};
	const usual = Math.min(6, new Intl.NumberFormat(locale(), options).resolvedOptions().minimumFractionDigits);
	return decimal(micros, usual, cut ? usual : 6, options);
}

const kwh = (mwh, most) => decimal(mwh, 2, most || 6) + ' ' + t('kwh');
const watts = (mw) => mw < 1e6 ? Math.floor(mw / 1000) + ' W' : decimal(mw, 2, 2) + ' kW';
const now = () => performance.now();
const two = (n) => String(Math.floor(n)).padStart(2, '0');
const clock = (ms) => Math.floor(ms / 3600000) + ':' + two(ms / 60000 % 60) + ':' + two(ms / 1000 % 60);

function span(ms) {
	const min = Math.floor(ms / 60000);
	if (min < 1)
		return t('sec', Math.floor(ms / 1000));
	return min < 60 ? t('min', min) : t('h_min', Math.floor(min / 60), min % 60);
}

const when = (time) =>
	new Intl.DateTimeFormat(locale(), {dateStyle: 'medium', timeStyle: 'medium'}).format(new Date(time));

/* What was typed, in millionths; 0 when it is no number above 0. */
function typed() {
	const found = /^(\d{1,7})(?:[.,](\d{1,6}))?$/.exec($('value').value.trim());
	return found ? Number(found[1]) * 1e6 + Number((found[2] || '').padEnd(6, '0')) : 0;
}

const random = () =>
	Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

/* --- the server --- */

/* Fails with the server's error: {code, …}. */
async function call(method, path, body) {
	const control = new AbortController();
	const timer = setTimeout(() => control.abort(), 20000);
	const options = {method, signal: control.signal, cache: 'no-store'};
	let response, answer;
	if (method !== 'GET') {
		options.headers = {'Content-Type': 'application/json'};
		options.body = JSON.stringify(body || {});
	}
	try {
		response = await fetch('/v1/customer/' + path, options);
		answer = await response.json();
	} catch (e) {
		throw {code: response && response.status >= 500 ? 'internal' : 'offline'};
	} finally {
		clearTimeout(timer);
	}
	if (!response.ok)
		throw Object.assign({wait: response.headers.get('Retry-After')}, answer.error);
	return answer;
}

/* --- elements --- */

/* h('p.hint', {id: …}, children …): functions are event handlers; false, null and '' are left out. */
function h(what, ...rest) {
	const [tag, ...styles] = what.split('.');
	const node = document.createElement(tag);
	const set = rest[0] && rest[0].constructor === Object ? rest.shift() : {};
	node.className = styles.join(' ');
	for (const name of Object.keys(set))
		if (typeof set[name] === 'function')
			node.addEventListener(name, set[name]);
		else
			node.setAttribute(name, set[name]);
	node.append(...rest.flat(3).filter(Boolean));
	return node;
}

const link = (hash, text, style) => h('a.button' + (style || ''), {href: hash, id: hash}, text);
const acts = (...buttons) => h('div.acts', buttons);
const list = (...rows) => h('dl', rows.filter(Boolean).map(([name, value, id]) =>
	h('div', h('dt', name), h('dd', id ? {id} : value))));

const atWork = new Set();
const waiting = (type) => view === 'order' && order !== null && order.pending.includes(type);

/* Not to be pressed while it is at work, nor while the box has not answered the command of its name. Without act it
 * sends its form. */
function button(id, text, act, style) {
	const set = {id, 'aria-disabled': atWork.has(id) || waiting(id)};
	return h('button' + (style || ''), act ? Object.assign(set, {type: 'button', click: () => press(id, act)}) : set, text);
}

const submit = (text) => button('submit', text, null, '.main');
const form = (act, ...children) => h('form', {novalidate: '', submit: (event) => {
	event.preventDefault();
	press('submit', act);
}}, children);

async function press(id, act) {
	const work = (on) => $(id) && $(id).setAttribute('aria-disabled', on);
	if (!$(id) || atWork.has(id) || waiting(id))
		return;
	notice('');
	atWork.add(id);
	work(true);
	try {
		await act();
	} catch (error) {
		fail(error);
	}
	atWork.delete(id);
	work(waiting(id));
}

function say(text) {
	$('status').textContent = text;
}

function notice(text, style) {
	$('notice').hidden = !text;
	$('notice').className = style || '';
	$('notice').textContent = text;
	say(text);
}

const errorText = (error) => t('e_' + error.code, span((error.wait || 30) * 1000)) || !zh && error.message || t('e_internal');

/* Says what went wrong and what to do. */
function fail(error) {
	const field = $('main').querySelector('input:not([type=radio])');
	if (error.code === 'unauthorized') {
		me = null;
		flash = [errorText(error), 'warn'];
		return route();
	}
	notice(errorText(error), 'warn');
	if (!error.code)
		console.error(error);
	if (field && /^(bad_|agree$|wrong_|code_|insufficient)/.test(error.code)) {
		field.setAttribute('aria-invalid', 'true');
		field.focus();
	}
}

/* The same view again keeps the focus; another one begins at its heading. */
function show(name, title, ...children) {
	const main = $('main');
	const same = main.dataset.view === name;
	const focused = document.activeElement.id;
	main.dataset.view = name;
	main.textContent = '';
	main.append(h('h1', {id: 'title', tabindex: -1}, title), ...children.flat(3).filter(Boolean));
	document.title = title + (offer ? ' · ' + offer.label : '');
	document.documentElement.lang = locale();
	$('lang').lang = zh ? 'en' : 'zh-CN';
	$('lang').textContent = t('other');
	$('nav').textContent = '';
	$('nav').append(...[offer && view !== 'door' && h('a', {href: '#'}, offer.label),
		me && view !== 'orders' && h('a', {href: '#orders'}, t('mine'))].filter(Boolean));
	if (!same)
		window.scrollTo(0, 0);
	const next = same ? focused && ($(focused) || $('title')) : $('title');
	if (next)
		next.focus({preventScroll: true});
}

/* --- where we are --- */

const here = (/^\/o\/([^/]+)$/.exec(location.pathname) || [])[1];
const VIEWS = {
	door: viewDoor, agree: viewAgree, choose: viewChoose, pay: viewPay, orders: viewOrders, order: viewOrder,
};
let me = null;
let offer = null;
let order = null;
let view = '';
let flash = ['']; /* to be told in the view that comes next */
let turn = 0; /* of route(): what comes late is not shown */

function go(hash) {
	if (location.hash === hash.replace(/^#$/, ''))
		return route();
	location.replace(hash);
}

const place = (number, part) => '#order/' + encodeURIComponent(number) + (part ? '/' + part : '');
const path = (number, part) => place(number, part).replace('#order', 'orders');

async function readMe() {
	me = await call('GET', 'session');
	currency = me.currency || currency;
}

let offered = -1e9; /* when: a page that opens asks once */
async function readOffer() {
	if (here && now() - offered > 1000) {
		offer = await call('GET', 'outlets/' + here);
		offered = now();
	}
	if (offer)
		currency = offer.tariff.currency;
}

const isOpen = (o) => o.state === 'sent' || o.state === 'open' || o.mine;

/* A view reads what it needs, and gives the function that shows it. */
async function route() {
	const mine = ++turn;
	const [name, ...rest] = location.hash.slice(1).split('/').map(decodeURIComponent);
	let draw;
	unfollow();
	view = VIEWS[name] ? name : here ? 'door' : 'orders';
	try {
		if (!me || here && !offer)
			await Promise.all([readOffer(), readMe().catch((error) => {
				if (error.code !== 'unauthorized')
					throw error;
			})]);
		draw = me || view === 'door' ? await VIEWS[view](...rest) : viewSignIn;
	} catch (error) {
		draw = () => viewLost(error);
	}
	if (mine !== turn)
		return;
	notice(...flash);
	flash = [''];
	draw();
}

function viewLost(error) {
	const gone = /^not_/.test(error.code);
	const name = !gone ? 'sorry' : here && !offer ? 'unknown' : 'gone';
	if (error.code === 'unauthorized')
		return fail(error);
	if (gone)
		keep('payment', null);
	show('lost', t(name), h('p', t(gone ? name + '_do' : 'e_' + error.code)),
		acts(gone ? link('#orders', t('mine')) : button('again', t('again'), route, '.main')));
	if (!error.code)
		console.error(error);
}

/* --- the door --- */

/* Whoever comes back finds the open order on this code. */
async function findMine() {
	const [answer] = await Promise.all([me ? call('GET', 'orders') : {orders: []}, readOffer()]);
	const open = answer.orders.find((o) => offer && o.code === offer.code && isOpen(o));
	return open && (() => go(place(open.order)));
}

async function viewDoor() {
	return await findMine() || (() => {
		drawDoor();
		watch(async () => {
			const before = JSON.stringify(offer);
			await readOffer();
			return () => JSON.stringify(offer) !== before && drawDoor();
		}, 10000);
	});
}

function doorState() {
	const state = TEXTS['is_' + offer.state] ? offer.state : 'busy';
	return offer.connected ? offer.reserved ? 'reserved' : state : 'offline';
}

const isFree = () => /^(available|reserved)$/.test(doorState());

function drawDoor() {
	const state = doorState();
	const free = state === 'available';
	const advice = {reserved: 'taken', busy: !me && 'taken', unknown: 'wait', offline: 'wait'}[state] || 'other';
	const tariff = offer.tariff;
	show('door', offer.label,
		h('p.state' + (free ? '' : '.off'), t('is_' + state)),
		!free && h('p', t('do_' + advice)),
		h('p.big', money(offer.price_now_micros), h('small', t('per_kwh', ''))),
		offer.rate && h('p.hint', t('rate', rateName(offer.rate))),
		tariff.start_fee_micros > 0 && h('p.hint', t('fee', money(tariff.start_fee_micros))),
		tariff.periods && h('details', h('summary', t('prices')), prices(tariff)),
		acts(isFree() ? link('#agree', t('next'), '.main') : !me && link('#agree', t('sign_in'))));
	say(t('is_' + state));
}

function prices(tariff) {
	const at = (min) => two(min / 60) + ':' + two(min % 60);
	return list(...tariff.periods.map((period, i) => {
		const next = tariff.periods[i + 1] || {from_min: 1440};
		const {name, price_micros} = tariff.rates[period.rate];
		return [at(period.from_min) + '–' + at(next.from_min) + ' ' + rateName(name),
			t('per_kwh', money(price_micros + (tariff.service_price_micros || 0)))];
	}));
}

/* --- sign-in --- */

let kind = 'tel';

function viewSignIn() {
	const sent = kept('sent');
	const another = kind === 'tel' ? 'email' : 'tel';
	if (sent && Date.now() - sent.at < 600000)
		return viewCode(sent.contact);
	show(kind, t('sign_in'), h('p', t('sign_why')), form(() => sendCode($('contact').value.trim()),
		h('div.field',
			h('label', {for: 'contact'}, t(kind)),
			h('input', {id: 'contact', type: kind, autocomplete: kind, maxlength: 64, 'aria-describedby': 'how'}),
			h('p.hint', {id: 'how'}, t(kind + '_how'))),
		acts(submit(t('send')), button('switch', t('use_' + another), () => {
			kind = another;
			viewSignIn();
		}, '.plain'))));
}

async function sendCode(typed) {
	const chinese = zh && /^1[3-9]\d{9}$/.test(typed.replace(/[ -]/g, ''));
	const {contact} = await call('POST', 'codes', {contact: (chinese ? '+86' : '') + typed});
	keep('sent', {contact, at: Date.now()});
	viewCode(contact);
}

function viewCode(contact) {
	show('code', t('sent'), h('p', t('sent_to', contact)), form(() => signIn(contact),
		h('div.field',
			h('label', {for: 'code'}, t('code')),
			h('input', {id: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: 9})),
		acts(submit(t('sign_in')),
			button('resend', t('resend'), async () => {
				await sendCode(contact);
				notice(t('sent_to', contact));
			}, '.plain'),
			button('change', t('change', contact), () => {
				keep('sent', null);
				viewSignIn();
			}, '.plain'))));
}

async function signIn(contact) {
	const code = $('code').value.replace(/\D/g, '');
	if (code.length !== 6)
		throw {code: 'bad_code'};
	me = await call('POST', 'session', {contact, code});
	keep('sent', null);
	await route();
}

async function signOut() {
	await call('DELETE', 'session');
	['sent', 'agreed', 'put', 'payment', 'added', 'plugged'].forEach((name) => keep(name, null));
	me = null;
	await route();
}

/* --- agreement, choice, unlock --- */

async function viewAgree() {
	return await findMine() || (offer && isFree() ? drawAgree : () => go('#'));
}

function drawAgree() {
	const agreement = offer.agreement;
	show('agree', t('agreement'),
		h('p.hint', t('version', agreement.version)),
		h('p.text', zh ? agreement.zh : agreement.en),
		form(() => {
			if (!$('agree').checked)
				throw {code: 'agree'};
			keep('agreed', [offer.code, agreement.version]);
			location.hash = 'choose';
		}, h('label.pick', h('input', {id: 'agree', type: 'checkbox'}), t('agree')), acts(submit(t('next')))));
}

/* The limit's name, unit, first value, step. */
const MODES = {
	energy: ['limit_mwh', 'kwh', 5, 1],
	time: ['limit_ms', 'minutes', 60, 30],
	amount: ['limit_micros', '', 10, 5],
	full: [],
	credit: [],
};

async function viewChoose() {
	await Promise.all([readMe(), readOffer()]);
	if (!offer || String(kept('agreed')) !== offer.code + ',' + offer.agreement.version)
		return () => go('#agree');
	return drawChoose;
}

function drawChoose() {
	const until = kept('until') || 'energy';
	const [limit, unit, first, by] = MODES[until];
	const mode = (name) => h('label.pick' + (name === until ? '.on' : ''),
		h('input', {id: 'u-' + name, type: 'radio', name: 'until', change: () => {
			keep('until', name);
			drawChoose();
		}}), t(name));
	const poor = me.spendable_micros <= 0;
	show('choose', t('choose'), form(() => placeOrder(until),
		h('fieldset', {'aria-labelledby': 'title'}, Object.keys(MODES).map(mode)),
		limit ? field(until, t(unit) || currency, kept(until) || first, by, () => {
			keep(until, $('value').value);
			estimate(until);
		}) : h('p', t('d_' + until)),
		list([t('price'), t('per_kwh', money(offer.price_now_micros))],
			[t('balance'), money(me.balance_micros, true)],
			me.spendable_micros !== me.balance_micros && [t('spendable'), money(me.spendable_micros, true)]),
		poor ? h('p.warn', t('e_insufficient_funds')) : h('p.hint', t('hold')),
		acts(!poor && submit(t('unlock')), offer.payments && link('#pay/choose', t('pay'), poor ? '.main' : ''))));
	$('u-' + until).checked = true;
	if (limit)
		estimate(until);
}

function field(name, unit, value, by, input) {
	const stepper = (way, text, sign) => h('button', {type: 'button', 'aria-label': t(way), click: () => {
		const next = Math.max(by * 1e6, typed() + sign * by * 1e6);
		$('value').value = (next - next % 1e6) / 1e6;
		say($('value').value);
		input();
	}}, text);
	return h('div.field', h('label', {for: 'value'}, t(name) + (unit ? ' (' + unit + ')' : '')),
		h('div.step', stepper('less', '−', -1),
			h('input', {id: 'value', inputmode: 'decimal', autocomplete: 'off', value, 'aria-describedby': 'about', input}),
			stepper('more', '+', 1)),
		h('p.hint', {id: 'about'}));
}

/* At the price of now. The products may pass 2^53. */
function estimate(until) {
	const value = typed();
	const price = BigInt(offer.price_now_micros);
	const fee = offer.tariff.start_fee_micros || 0;
	let text = '';
	if (value && until === 'energy')
		text = t('about', money(Number(BigInt(value) * price / BigInt(1e6)) + fee, true));
	else if (value > fee && until === 'amount' && offer.price_now_micros)
		text = t('about', kwh(Number(BigInt(value - fee) * BigInt(1e6) / price), 2));
	else if (value && until === 'time')
		text = span(value * 60 / 1000);
	$('about').textContent = text;
	$('value').removeAttribute('aria-invalid');
}

async function placeOrder(until) {
	const {id, version} = offer.tariff;
	const body = {code: offer.code, agreement: offer.agreement.version, tariff: {id, version}, until};
	const [limit] = MODES[until];
	if (limit)
		body[limit] = until === 'time' ? typed() * 6 / 100 : typed();
	if (limit && (!body[limit] || body[limit] % 1))
		throw {code: 'bad_number'};
	const number = 'c-' + keyed('put', JSON.stringify(body)).key;
	try {
		await call('PUT', path(number), body);
	} catch (error) {
		if (/^(offline|internal|unauth|insuff|bad_)/.test(error.code))
			throw error;
		await readOffer();
		flash = [errorText(error), 'warn'];
		return go(error.code === 'agreement_changed' ? '#agree' : '#');
	}
	keep('agreed', null);
	go(place(number));
}

/* The key is kept before it is sent: pressed again after a lost answer it is the same, and happens once. */
function keyed(name, what) {
	let asked = kept(name);
	if (!asked || asked.what !== what)
		asked = {what, key: random()};
	keep(name, asked);
	return asked;
}

/* --- money --- */

function drawAmount(title, why, first, rows, act, text, ...others) {
	show(title, t(title), h('p', why), list(...rows), form(() => {
		if (!typed())
			throw {code: 'bad_number'};
		return act(typed());
	}, field('amount', currency, first, 5, () => {}), acts(submit(text), others)));
}

async function viewPay() {
	const asked = kept('payment') || {};
	const back = '#' + (location.hash.slice(5) || 'orders');
	const read = () => asked.id ? call('GET', 'payments/' + asked.id) : null;
	const [payment] = await Promise.all([read(), readMe()]);
	if (!payment)
		return () => drawAmount('pay', '', 20, [[t('balance'), money(me.balance_micros, true)]], pay, t('pay_go'),
			link(back, t('back')));
	if (payment.state === 'pending')
		return () => {
			drawPending(payment);
			watch(async () => (await read()).state !== 'pending' && route, 3000);
		};
	keep('payment', null);
	return () => {
		flash = [t(payment.state, money(payment.micros)), payment.state === 'failed' && 'warn'];
		go(back);
	};
}

function drawPending(payment) {
	show('pending', t('pay'), h('p', t('pay_open', money(payment.micros))), acts(
		button('resume', t('pay_resume'), () => leave(payment), '.main'),
		button('another', t('pay_other'), () => {
			keep('payment', null);
			return route();
		}, '.plain')));
}

async function pay(micros) {
	const asked = keyed('payment', micros);
	const payment = await call('POST', 'payments', {micros, key: asked.key});
	keep('payment', Object.assign(asked, {id: payment.payment}));
	leave(payment);
}

/* Our own sandbox is told where to come back to. */
function leave(payment) {
	const url = new URL(payment.pay_url, location.href);
	if (!/^https?:$/.test(url.protocol))
		throw {code: 'internal'};
	if (url.origin === location.origin)
		url.searchParams.set('back', location.pathname + location.hash);
	location.assign(url);
}

async function viewMore(number) {
	const o = await call('GET', path(number));
	const left = o.live ? o.live.remaining_micros : o.held_micros;
	if (o.state !== 'sent' && o.state !== 'open')
		return () => go(place(number));
	currency = o.tariff.currency;
	return () => drawAmount('add', t('add_why'), 10,
		[[t('left'), money(left, true)], [t('balance'), money(o.spendable_micros, true)]],
		async (micros) => {
			await call('POST', path(number, 'credit'), {micros, key: keyed('added', number + ' ' + micros).key});
			keep('added', null);
			flash = [t('added', money(micros))];
			go(place(number));
		}, t('add'),
		(!offer || offer.payments) && link('#pay/' + place(number, 'more').slice(1), t('pay')),
		link(place(number), t('back'), '.plain'));
}

/* --- following what changes by itself --- */

let follow = null;

/* While the view is shown: read gives the function that shows what it has read. */
function watch(read, every, url) {
	follow = {read, every, url, again: 0, asked: now(), heard: now(), failed: false};
	tick();
}

function unfollow() {
	if (follow && follow.stream)
		follow.stream.close();
	follow = null;
	$('link').hidden = true;
}

function heard(f) {
	f.heard = now();
	f.failed = false;
}

async function look(f) {
	let draw;
	f.asked = now();
	f.reading = true;
	try {
		draw = await f.read();
		heard(f);
	} catch (error) {
		f.failed = true;
		if (/^(not_|unauthorized)/.test(error.code))
			draw = route;
	}
	f.reading = false;
	if (f === follow && draw)
		draw();
}

function listen(f) {
	const stream = f.stream = new EventSource(f.url);
	f.again = now() + 15000;
	stream.addEventListener('order', (event) => {
		heard(f);
		if (f === follow)
			take(JSON.parse(event.data));
	});
	stream.addEventListener('error', () => {
		stream.close();
		f.stream = null;
		f.heard = f.asked = -1e9;
	});
}

/* Heartbeats do not reach a page: a stream that is silent is doubted, and asked by a plain request. */
function tick() {
	const f = follow;
	if (!f || document.hidden)
		return;
	if (f.url && !f.stream && now() >= f.again)
		listen(f);
	if (!f.reading && now() - Math.max(f.heard, f.asked) >= (f.stream && !f.failed ? 20000 : f.every))
		look(f);
	const lost = f.failed || !!f.reading && now() - f.asked > 8000;
	if (lost === $('link').hidden) {
		$('link').hidden = !lost;
		$('link').textContent = t('lost');
		say(t(lost ? 'lost' : 'regained'));
	}
	if (f.url)
		drawOrder();
}

/* --- an order --- */

let taken = 0; /* when the order was told */
let drawn = ''; /* what the view was built from */
let told = '';
let asReceipt = false; /* asked for before the plug is out */

async function viewOrder(number, part) {
	if (part === 'more')
		return viewMore(number);
	const read = async () => {
		const answer = await call('GET', path(number));
		return () => take(answer);
	};
	const draw = await read();
	return () => {
		drawn = '';
		order = null;
		asReceipt = part === 'receipt';
		draw();
		if (isOpen(order))
			watch(read, 5000, '/v1/customer/' + path(number, 'events'));
	};
}

function take(answer, since = taken) {
	if (since !== taken) /* an event was faster */
		return;
	order = answer;
	taken = now();
	keep('put', null); /* it has arrived, whatever became of the answer */
	currency = order.tariff.currency;
	if (!isOpen(order))
		unfollow();
	drawOrder();
}

const age = () => order.live.age_ms + now() - taken;

function phaseOf(o) {
	const state = o.live ? o.live.state : '';
	if (o.state === 'done' || o.state === 'cancelled')
		return o.mine && !asReceipt ? state === 'faulted' ? state : 'collect' : 'over';
	if (state === 'supplying' || state === 'paused')
		return state;
	if (state === 'unlocked' || state === 'ready')
		return kept('plugged') !== o.order ? 'plug' : o.live.missing.length ? 'missing' : 'ready';
	if (state === 'ending' || state === 'finishing' || state === 'faulted')
		return 'ending';
	return o.started ? 'waiting' : 'sending';
}

/* Rebuilt only when more than a figure has changed: a reader's place and a finger's aim stay. */
function drawOrder() {
	const o = order;
	const live = o.live || {};
	const phase = phaseOf(o);
	const key = JSON.stringify([phase, live.missing, live.low_credit, o.pending, o.refused, o.connected, o.receipt]);
	if (key !== drawn) {
		drawn = key;
		if (o.receipt && phase === 'over')
			drawReceipt(o);
		else
			drawPhase(o, phase);
	}
	if ($('f-energy'))
		drawFigures(o);
}

/* What is missing is listed while it is, not as a refusal. */
function refusal(o) {
	const {type, why} = o.refused;
	const key = Object.keys(TEXTS).find((name) => TEXTS[name][0] === why || name === 'w_' + why);
	const text = t(key) || (zh || !why.includes(' ') ? t('e_conflict') : why);
	return o.live && /^m_/.test(key) ? '' : t('refused', t({authorize: 'unlock', credit: 'add'}[type] || type), text);
}

function drawPhase(o, phase) {
	const listed = ['plug', 'missing', 'paused'].includes(phase) ? o.live.missing : [];
	const r = phase !== 'over' && o.receipt;
	const [head, rest] = ['supplying', 'paused', 'ending'].includes(phase) ? gauges(o) : [];
	const warnings = [
		o.refused && refusal(o),
		!o.connected && phase !== 'over' && t('no_box'),
		phase === 'supplying' && o.live.low_credit && t('low'),
		/* While the plug goes in, the door is open. */
		...listed.filter((word) => phase !== 'plug' || word !== 'user_door').map((word) => t('m_' + word) || word),
	].filter(Boolean);
	show('order-' + phase, t('p_' + phase),
		phase === 'supplying' && h('p.state.live', o.label),
		(phase === 'plug' || !listed.length) && h('p', t('p_' + phase + '_do')),
		warnings.length > 0 && h('ul', warnings.map((text) => h('li.warn', text))),
		/* Stop is seen without scrolling. */
		head,
		acts(ACTS[phase](o)),
		rest,
		r && [list([t('total'), money(r.amount_micros)]), h('p.hint', t('r_' + r.reason)),
			acts(link(place(o.order, 'receipt'), t('receipt'), '.plain'))]);
	if (warnings.join(' ') !== told)
		say(told = warnings.join(' '));
}

const signsOut = () => button('out', t('sign_out'), signOut, '.plain');
const does = (type, text, style) =>
	button(type, t(text || type), async () => {
		const since = taken;
		take(await call('POST', path(order.order, type)), since);
	}, style);
const plugged = (text, value, style) => button(text, t(text), () => {
	keep('plugged', value);
	drawOrder();
}, style);
const starts = () => does('start', waiting('start') ? 'starting' : 'start', '.main');
const stops = () => does('stop', '', '.stop');
const cancels = () => does('stop', 'cancel', '.plain');
const adds = (o, style) => link(place(o.order, 'more'), t('add'), style);

const ACTS = {
	sending: () => [cancels()],
	waiting: () => [stops()],
	plug: (o) => [plugged('plugged', o.order, '.main'), does('unlock', 'reopen'), cancels()],
	missing: () => [does('unlock', 'reopen'), cancels()],
	ready: () => [starts(), plugged('unplugged', null), cancels()],
	supplying: (o) => [stops(), adds(o)],
	paused: (o) => [!o.live.missing.length && starts(), stops(), does('unlock', 'reopen'), adds(o, '.plain')],
	ending: () => [],
	collect: () => [does('unlock', '', '.main'), does('departed')],
	faulted: () => [does('unlock'), does('departed')],
	over: (o, more) => [offer && link('#', t('anew'), '.main'), link('#orders', t('mine')), more, signsOut()],
};

/* The figures that move, by the name of their text. */
function figures(o) {
	const live = o.live;
	const on = live.state === 'supplying';
	return {
		energy: kwh(live.energy_mwh, 3),
		cost: money(live.cost_micros, true),
		old: age() > 60000 ? t('old', span(age())) : '',
		duration: clock(running(o)),
		power: watts(live.power_mw),
		left: money(live.remaining_micros, true),
		time_left: on && live.remaining_ms >= 0 ? span(live.remaining_ms) : '–',
		balance_then: money(o.balance_micros + o.held_micros - live.cost_micros, true),
	};
}

const running = (o) => o.live.energised_ms + (o.live.state === 'supplying' && o.connected ? age() : 0);

function gauges(o) {
	const limit = o[(MODES[o.until] || [])[0]];
	const big = (name) => h('p.big', h('small', t(name)), h('span', {id: 'f-' + name}));
	return [
		[h('div.two', big('energy'), big('cost')),
			limit && h('progress', {id: 'limit', max: limit, 'aria-label': t('limit')}),
			h('p.hint', {id: 'f-old'})],
		list(limit && [t('limit'), {energy: kwh, time: span, amount: money}[o.until](limit)],
			...['duration', 'power', 'left', 'time_left', 'balance_then'].map((name) => [t(name), '', 'f-' + name])),
	];
}

function drawFigures(o) {
	const texts = figures(o);
	for (const name of Object.keys(texts))
		if ($('f-' + name).textContent !== texts[name])
			$('f-' + name).textContent = texts[name];
	if ($('limit'))
		$('limit').value = {energy: o.live.energy_mwh, time: running(o), amount: o.live.cost_micros}[o.until];
}

/* --- receipt, list --- */

function drawReceipt(o) {
	const r = o.receipt;
	show('receipt', t('receipt'),
		h('p.quiet', o.label),
		h('p.big', money(r.amount_micros)),
		h('p', t('r_' + r.reason), ' ', OURS.includes(r.reason) && t('ours')),
		!r.settled && h('p.warn', t('not_final')),
		list(...r.lines.map((line) => [
			t('l_' + line.kind) + (line.rate ? ' (' + rateName(line.rate) + ')' : '') +
				(line.kind === 'start' ? '' : ' ' + kwh(line.quantity) + ' × ' + money(line.price_micros)),
			money(line.amount_micros),
		]), [t('total'), h('b', money(r.amount_micros))],
		[t('captured'), money(r.captured_micros)],
		r.written_off_micros > 0 && [t('written_off'), money(r.written_off_micros)],
		[t('balance'), money(o.balance_micros)]),
		list([t('reg_start'), kwh(r.start_mwh)], [t('reg_end'), kwh(r.end_mwh)], [t('energy'), kwh(r.energy_mwh)],
			[t('duration'), clock(r.energised_ms)], [t('meter'), r.meter]),
		list([t('made'), when(o.made)], [t('ended'), when(r.ended)],
			o.agreement && [t('accepted'), t('version', o.agreement.version) + ', ' + when(o.agreement.accepted)],
			[t('order'), o.order]),
		acts(ACTS.over(o, button('print', t('print'), () => window.print()))));
}

async function viewOrders() {
	const [answer] = await Promise.all([call('GET', 'orders'), readMe()]);
	return () => drawOrders(answer.orders, answer.next);
}

function drawOrders(orders, next) {
	if (orders.length)
		currency = orders[0].tariff.currency;
	show('orders', t('mine'),
		h('p.quiet', me.contact),
		list([t('balance'), h('b', money(me.balance_micros, true))]),
		!orders.length && h('p', t('none')),
		orders.map((o) => h('a.row', {href: place(o.order)},
			h('span', o.label, h('small', when(o.made))),
			h('span', isOpen(o) ? h('span.state', t('now')) : o.receipt ? money(o.receipt.amount_micros) : t('p_over')))),
		acts(next && button('older', t('older'), async () => {
			const answer = await call('GET', 'orders?before=' + encodeURIComponent(next));
			drawOrders(orders.concat(answer.orders), answer.next);
		}), (!offer || offer.payments) && link('#pay/orders', t('pay')), signsOut()));
}

/* --- begin --- */

$('lang').addEventListener('click', () => {
	zh = !zh;
	keep('lang', zh ? 'zh' : 'en');
	route();
});
addEventListener('hashchange', route);
addEventListener('pageshow', (event) => event.persisted && route());
for (const name of ['visibilitychange', 'online'])
	addEventListener(name, () => {
		if (follow && !document.hidden)
			follow.heard = follow.asked = -1e9;
		tick();
	});
setInterval(tick, 1000);
route();
