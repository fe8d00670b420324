/* tools/ops/pages/desk.js: the operator's page. It speaks /v1/operator of etc/ops-api.yaml with the cookie of its
 * sign-in, and keeps nothing but the language and how far the alarms were read.
 *
 * Every view is a function of what was loaded (S) that builds its elements anew; morph() carries the difference into the
 * page, so that focus, scrolling and what is being typed stay. What came from outside only ever becomes a text node or an
 * attribute. Money and energy are integers; they become decimals as text, digit by digit. */
'use strict';

/* The dictionary: key|English|Chinese, or English|Chinese where the key is the English. Words of the wire stand under
 * their own names. Buttons and headings begin with a capital by themselves. */
const WORDS = `
lang|中文|English
lang_name|切换到中文|Switch to English
skip to the content|跳到正文
views|视图
live|● live|● 实时
dead|▲ no connection since {0}|▲ 自 {0} 起连接中断
lost|No connection to the server since {0}. What you see is as it was then.|自 {0} 起与服务器失去连接，页面显示的是当时的状态。
Connected again.|连接已恢复。
name|姓名
password|密码
boxes|电箱
sessions|用电中
alarms|告警
tariffs|电价
places|outlets for sale|在售插座
accounts|账户
agreement|用户协议
staff|人员
acts|操作记录
messages|短信
labels|二维码标签
order|订单
tariff|电价
Loading …|加载中…
try again|重试
older|更早
more|更多
Nothing here.|暂无内容。
Nothing matches the filter.|没有符合筛选条件的内容。
filter|筛选
filter_boxes|Filter: box, label, code, order|筛选：电箱、名称、编码、订单
only troubled|仅看异常
No box is troubled.|没有异常电箱。
without link|离线
outlets with a fault|路故障
kW now|kW 当前功率
records waiting|条记录待传
n_boxes|boxes|台电箱
n_supplying|supplying|路供电中
link|通信
online|在线
offline|离线
last heard|最后通信
never|not since the server started|服务器启动后未通信
queue|待传记录
queue_is|{0} records wait on the box|箱内积压 {0} 条记录
undecided|待执行命令
outlets|插座
outlet|插座
outlet_n|Outlet {0}|{0} 号插座
has not reported|尚未上报
ledger|账本
records taken in|已收记录
unknown|未知
power|功率
energy|电量
cost|费用
duration|时长
left|剩余
reserved for|预约账户
state|状态
register|电表示数
missing before it is ready|就绪前还缺
credit is nearly used up|余额即将用尽
plug_out|set free|置为空闲
back|back in service|恢复使用
why_supply|it is supplying: power off first|正在供电，请先断电
why_welded|the breaker is welded and the socket may be live: it stays locked until a technician is on site|断路器触点粘连，插座可能带电：须维修人员到场，在此之前保持锁闭
why_session|no session is running|当前没有订单
why_tech|only a technician on site may clear this fault|此故障只能由维修人员到场清除
why_busy|the outlet is in use or not available|插座正在使用或不可用
may_clear|May be cleared by: {0}.|可清除者：{0}。
unlock?|Unlock the door of {0}?|打开 {0} 的箱门锁？
unlock!|The lock of the customer's door is pulsed once, now. Whoever stands there can reach the socket.|用户仓门锁将立即动作一次，现场人员可以接触插座。
power_off?|Switch off {0}?|切断 {0} 的供电？
power_off!|The breaker opens. Session {0} ends for good and is billed up to the register's last reading.|断路器分闸，订单 {0} 随即结束且不能恢复，按电表最终示数结算。
clear_fault?|Clear the fault of {0}?|清除 {0} 的故障？
clear_fault!|Fault: {0}. Clearing closes no breaker; the box refuses it while the cause is still there.|故障：{0}。清除故障不会合闸；原因未消除时电箱会拒绝。
reserve?|Reserve {0}?|预约 {0}？
reserve!|Until then no other account can use it.|期间其他账户不能使用该插座。
release?|End the reservation of {0}?|取消 {0} 的预约？
release!|It is reserved for {0}.|预约账户：{0}。
out_of_service?|Take {0} out of service?|停用 {0}？
out_of_service!|Nobody can use it until it is put back.|恢复之前任何人都不能使用。
oos_session|The running session {0} is ended and billed.|正在进行的订单 {0} 将被结束并结算。
back?|Put {0} back in service?|恢复使用 {0}？
back!|Customers can use it again at once.|用户可立即使用。
plug_out?|Set {0} free?|将 {0} 置为空闲？
plug_out!|Only when the plug of order {0} is out: the next customer gets this socket.|请确认订单 {0} 的插头已拔出：该插座将提供给下一位用户。
for how many minutes|时长（分钟）
cancel|取消
cmd_sent|{0}: sent to {1}; waiting for its answer.|{0}：已发往 {1}，等待执行结果。
late|no answer yet; the box decides it when it has a link|暂无结果，电箱恢复通信后处理
waiting for the box|等待电箱执行
energy and load|电量与负荷
day|日
week|周
month|月
earlier|往前
later|往后
all outlets|全部插座
ch_energy|Energy, kWh|电量（kWh）
ch_load|Load, kW (mean of {0} min)|负荷（kW，{0} 分钟平均）
ch_sum|{0} to {1}: {2} kWh, highest load {3} kW at {4}|{0} 至 {1}：{2} kWh，最高负荷 {3} kW（{4}）
as a table|表格
from|起始
mean kW|平均 kW
highest kW|最高 kW
total|合计
recent orders|最近订单
recent alarms|最近告警
time|时间
ordered|下单时间
held|冻结
billed|应收
captured|实收
written_off|written off: used beyond what was held|超出冻结额，已核销
No session is running.|当前没有进行中的订单。
n_sessions|{0} running|{0} 个订单
mode|计费方式
until|结束条件
reason|原因
start register|起始示数
end register|终止示数
final reading|终止示数状态
taken after the breaker opened|分闸后抄读
the last remembered one|最后记录值
kind|类型
what|内容
detail|说明
n_new|{0} new|{0} 条新告警
new_alarm|Alarm, {0}: {1}|告警，{0}：{1}
remove|删除
save|保存
new tariff|新建电价
same at any time|单一电价
by time of day|分时电价
price per kWh|每 kWh 电价
service per kWh|每 kWh 服务费
start_fee|启动费
currency|货币
rounded to|账单取整单位
rounding|取整方式
down|舍去
half_up|四舍五入
up|进位
version|版本
version_n|version {0}|版本 {0}
id|编号
id_hint|Letters, digits and signs; it stays.|字母、数字与符号，保存后不可更改。
rates|费率
rate|费率
rate_hint|As receipts write it, in Latin letters: peak, valley|印在账单上的名称，用拉丁字母：peak、valley
periods of the day|时段
add a rate|增加费率
add a period|增加时段
local time less UTC|与 UTC 的时差
offset_hint|One for the whole year; daylight saving time needs another tariff.|全年固定；夏令时需另建电价。
preview of a bill|账单预览
load, kW|负荷（kW）
for hours|时长（小时）
Calculated by the server, by the rule that bills.|由服务器按结算规则计算。
price|单价
amount|金额
service|服务费
tariff?|Save {0} as version {1}?|将 {0} 保存为版本 {1}？
tariff!|New orders are charged by it from now on. Running sessions keep the version that they began with.|此后的新订单按此版本计费，进行中的订单仍按原版本。
tariff_sum|Preview: {0} for {1} kWh.|预览：{1} kWh 计 {0}。
conflict_is|Somebody else has saved version {0} meanwhile. What you typed is still here, and nothing was saved.|其间他人已保存版本 {0}。您的修改仍保留在此，尚未保存。
theirs|show version {0}, drop mine|载入版本 {0}，放弃我的修改
mine|keep mine, to become version {0}|保留我的修改，作为版本 {0}
saved|Saved: {0}.|已保存：{0}。
removed|Removed: {0}.|已删除：{0}。
offer an outlet|上架插座
code|编码
code_hint|A–Z, 0–9 and hyphens, 16 at most; it stands in the QR code and stays.|A–Z、0–9 与连字符，最多 16 个；写入二维码，保存后不可更改。
box|电箱
label|名称
label_hint|What customers read: Car park B2, left|用户看到的名称：B2 停车场左侧
local|local: the box prices|本地：电箱计费
remote|remote: the server prices|远程：服务器计费
hold before the start, min|启动前保留（分钟）
lease in remote mode, min|远程授权时长（分钟）
full below, A|充满判定电流（A）
… for minutes|持续时间（分钟）
place?|Offer outlet {0} of {1} as {2}?|将 {1} 的 {0} 号插座以 {2} 上架？
place!|Customers who scan the code are charged by tariff {0}.|扫码用户按电价 {0} 计费。
place_is!|{0} is on sale already: outlet {1} of {2}, “{3}”. Its label leads to the new outlet then.|{0} 已上架：{2} 的 {1} 号插座“{3}”。保存后其二维码将指向新插座。
replace|替换
drop_place?|Take {0} off sale?|下架 {0}？
drop_place!|Its QR code leads nowhere then. A running session goes on.|其二维码随之失效，进行中的订单不受影响。
QR code|二维码
print|打印
all labels|全部标签
account|账户
balance|余额
spendable|可用
contact|联系方式
bound|绑定户号
shared|共享账户
may go below 0 by|透支限额
recharge|充值
refund|退款
recharge?|Recharge {0}?|给 {0} 充值？
refund?|Refund {0}?|给 {0} 退款？
recharge!|Books money that the customer has paid in: cash → {0}.|登记用户已付款项：现金 → {0}。
refund!|Books money that goes back to the customer: {0} → cash. At most the balance, {1}.|登记退还用户的款项：{0} → 现金，不超过余额 {1}。
reason_hint|Stands in the posting's key for good.|将永久写入该笔分录的凭证号。
recharge_sure|Yes, this amount was paid in|确认已收到该款项
refund_sure|Yes, this amount was paid back|确认已退还该款项
booked|Booked: {0} for {1}. Balance {2}.|已入账：{1} {0}，余额 {2}。
postings|分录
to|转入
key|凭证号
cash|现金
revenue|收入
writeoff|write-off|核销
held_on|held on {0}, {1}|冻结于 {0}，{1}
check the books|核对账目
The books add up.|账目平衡。
books_bad|The books do not add up: {0}|账目不平：{0}
English text|英文文本
Chinese text|中文文本
agreement?|Publish version {0} of the agreement?|发布协议版本 {0}？
agreement!|Every customer must accept it before the next order.|用户下单前须重新同意。
role|角色
viewer|查看员
manager|管理员
new member of staff|新增人员
change|修改
pw_hint|At least 10 characters. All sessions of this name end.|至少 10 个字符。该人员的所有登录将失效。
staff?|Remove {0}?|删除 {0}？
staff!|All sessions of this name end at once.|该人员的所有登录立即失效。
who|操作人
subject|对象
msg_note|Only for a workshop: the last 50 messages that the embedded provider would have sent. They hold sign-in codes.|仅供调试：内置通道本应发出的最近 50 条短信，含登录验证码。
text|内容
ago_s|{0} s ago|{0} 秒前
ago_m|{0} min ago|{0} 分钟前
ago_h|{0} h ago|{0} 小时前
ago_d|{0} d ago|{0} 天前
Please fill this in.|请填写。
v_money|an amount such as 12.50, with a point, at most 6 decimals|请输入金额，如 12.50，最多 6 位小数
v_above0|more than 0|须大于 0
v_int|a whole number from {0} to {1}|请输入 {0} 至 {1} 的整数
v_ascii|Latin letters, digits and signs without quotes and backslashes, at most {0}|仅限不含引号与反斜杠的拉丁字母、数字与符号，最多 {0} 个
v_long|too long|过长
v_time|a time from 00:00 to 23:45, as 07:30|请输入 00:00 至 23:45 的时间，如 07:30
v_first|the first must begin at 00:00|第一个时段须从 00:00 开始
v_gap|at least 15 minutes apart|时段至少间隔 15 分钟
v_unused|every rate needs a period and its own name|每个费率须有时段，且名称不得重复
v_offset|an offset as +08:00|请输入时差，如 +08:00
v_code|A–Z, 0–9 and hyphens|A–Z、0–9 与连字符
v_cur|three capital letters, as CNY|三个大写字母，如 CNY
v_refund|more than the balance|超过余额
network|No answer from the server. It may or may not have been done: look before you repeat it.|服务器无应答。操作可能已执行也可能未执行，重复之前请先核实。
network_get|No answer from the server.|服务器无应答。
wrong_password|Name or password is wrong.|姓名或密码错误。
too_many|Too many attempts. Try again in {0} s.|尝试次数过多，请 {0} 秒后再试。
forbidden|Your role does not allow this.|您的角色无权进行此操作。
unauthorized|Please sign in again.|请重新登录。
not_found|There is no such thing.|未找到。
conflict|Not possible in the present state.|与当前状态冲突。
insufficient_funds|The account cannot pay this much.|账户余额不足。
unavailable|The server is busy; nothing was changed.|服务器繁忙，未作任何更改。
internal|The server failed; nothing was changed.|服务器出错，未作任何更改。
bad_request|The server does not accept this.|服务器不接受此内容。
available|空闲
reserved|已预约
unlocked|已开锁
ready|就绪
supplying|供电中
paused|已暂停
ending|结束中
finishing|finished, plug still in|已结束，待拔插头
faulted|fault|故障
out_of_service|停用
will_not_close|breaker will not close|断路器拒合
tripped|breaker tripped|断路器跳闸
tamper|metering door opened without leave|计量仓非法开门
bypassed|energy flows with the breaker open|分闸后仍走字（疑似旁路）
welded|breaker welded|断路器触点粘连
will_not_close_do|Told to close, its contact never did. An operator may clear it; if it comes again, send somebody.|合闸命令后触点未闭合。运营员可清除；若再次出现，请派人检修。
tripped_do|A protective device acted: the installation must be looked at on site.|保护装置动作，须到场检查线路。
tamper_do|The metering box was opened without a work order: look at it on site.|未经工单开启计量仓，须到场检查。
bypassed_do|The register moves although the breaker is open: wiring past it, or a leak. On site only.|断路器已分闸而电表仍在走字：可能存在旁路接线或漏电，须到场处理。
welded_do|Told to open, yet closed: the socket may be live. Cut the supply upstream; on site only.|分闸命令后仍闭合：插座可能带电。请断开上级电源，须到场处理。
metering_door|metering box's door is open|计量仓门打开
user_door|socket's door is open|用户仓门未关
meter|meter does not answer|电能表无应答
plausible|meter's reading is doubtful|电能表读数存疑
commissioned|not the commissioned meter|电能表与登记不符
breaker_open|breaker has not reported that it is open|断路器未反馈分闸
no_credit|credit is used up|额度已用尽
no_clock|box does not know the time|电箱时钟未知
meter_silent|meter does not answer|电能表无应答
meter_implausible|meter's readings are implausible|电能表读数异常
meter_replaced|电能表被更换
ledger_set_aside|ledger damaged and set aside|账本损坏，已隔离
storage|box cannot store|电箱存储异常
record_refused|server refused a record for good|记录被服务器拒收
insecure_commands|box takes unsigned commands|电箱接受未签名命令
price_differs|box and server priced it differently; the lower is billed|箱端与服务器计价不一致，按较低者结算
grant_differs|box runs by another grant|箱端授权与下发不一致
ledger_lost|box came back with a new ledger|电箱更换账本
record_parked|record refused and set aside|记录被拒收，已隔离
alarm|告警
fault|故障
cleared|已清除
server|服务器
customer|用户
operator|运营员
technician|technician on site|到场维修人员
credit_exhausted|credit used up|余额用尽
limit_energy|energy limit|达到设定电量
limit_time|time limit|达到设定时长
limit_amount|amount limit|达到设定金额
full|已充满
idle|no load|空载超时
not_started|not started in time|超时未启动
door|door opened|箱门打开
overload|过载
overvoltage|过压
undervoltage|欠压
phase_loss|缺相
overtemperature|过温
leakage|leakage current|漏电
emergency_stop|急停
reverse_energy|反向电量
box_limit|box's limit|超整箱限额
breaker_fault|断路器故障
clock|clock unknown|时钟未知
lease_expired|server not heard for too long|与服务器失联超时
power_lost|停电
sent|on its way|下发中
open|进行中
done|已完成
cancelled|已取消
credit|余额
refused|被拒绝
expired|expired on the way|已过期
out_of_order|次序错误
unverified|signature not accepted|签名未通过
foreign|for another box|不属于本箱
authorize|授权
start|启动
stop|停止
power_off|断电
unlock|开锁
reserve|预约
release|end reservation|取消预约
clear_fault|清除故障
departed|plug is out|插头已拔
sign_in|登录
sign_out|退出
command|命令
staff_removed|删除人员
outlet_removed|下架插座
the outlet is supplying: stop it first|正在供电，请先停止
the cause of the fault is still there|故障原因仍存在
the outlet is in use|插座使用中
the outlet is reserved|插座已被预约
no such session on this outlet|该插座没有此订单
the session is ending|订单正在结束
`;
const TEXT = new Map(WORDS.trim().split('\n').map((line) => {
	const [key, en, zh] = line.split('|');
	return [key, zh ? {en, zh} : {en: key.replaceAll('_', ' '), zh: en}];
}));
const MISSING = ['metering_door', 'user_door', 'meter', 'plausible', 'commissioned', 'breaker_open', 'fault', 'storage',
	'no_credit', 'no_clock'];
const MISSING_FAULT = 64; // said by the fault itself
const MISSING_TROUBLE = 1 | 4 | 8 | 16 | 32 | 128;
const KEPT_MAX = 500; // orders and alarms that came as events: the page stays open for days
const PAGES_MAX = 5; // of the lists of all boxes, in which one box's rows are looked for
const QUEUE_TROUBLE = 100; // records: a box that is online sends 500 at once
const ROLES = ['viewer', 'operator', 'manager'];
const WIDE = matchMedia('(min-width: 45rem)');

let lang = stored('meterbox-lang') || (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');

function stored(key, value) {
	try {
		if (value !== undefined)
			localStorage.setItem(key, value);
		return localStorage.getItem(key);
	} catch {
		return null; // storage is forbidden: the choice lasts as long as the page
	}
}

/* A word that this page does not know stands as it came. */
function t(key, ...args) {
	const words = TEXT.get(key);
	return words ? words[lang].replace(/\{(\d)\}/g, (all, i) => args[i]) : key;
}

const capital = (text) => (/^k?W/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1)); // a unit stays
const T = (key, ...args) => capital(t(key, ...args));
const named = (name, text) => capital(name) + (lang === 'zh' ? '：' : ': ') + text;
const listed = (words) => words.map((w) => t(w)).join(lang === 'zh' ? '、' : ', ');

// --- elements: h('p.soft#id', {attribute: value, onclick: f}, children ...) ---
function build(node, args) {
	const props = args[0] && args[0].constructor === Object ? args.shift() : {};
	node._on = {};
	for (const [name, value] of Object.entries(props)) {
		if (name.startsWith('on'))
			node._on[name.slice(2)] = value;
		else if (['key', 'ver', 'build', 'value', 'checked'].includes(name))
			node['_' + name] = value;
		else if (value !== undefined && value !== null && value !== false)
			node.setAttribute(name, value === true ? '' : value);
	}
	add(node, args);
	for (const name of ['value', 'checked']) { // a select takes its value only once its options are there
		if (node['_' + name] !== undefined)
			node[name] = node['_' + name];
	}
	return node;
}

function add(node, children) {
	node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ''));
}

function h(spec, ...args) {
	const [, tag, classes, id] = /^([a-z0-9]+)((?:\.[a-z_-]+)*)(?:#([a-z-]+))?$/.exec(spec);
	const node = document.createElement(tag);
	if (classes)
		node.className = classes.slice(1).replaceAll('.', ' ');
	if (id)
		node.id = id;
	if (tag === 'button')
		node.type = 'button';
	return build(node, args);
}

const s = (tag, ...args) => build(document.createElementNS('http://www.w3.org/2000/svg', tag), args);

/* Builds rows that were left for later because they may turn out to be unchanged. */
function finish(node) {
	for (const n of [node, ...node.querySelectorAll('tr')]) {
		if (n._build)
			add(n, n._build());
		n._build = null;
	}
	return node;
}

/* Makes the element a like b, keeping a's own elements where they are of the same kind and key. */
function morph(a, b) {
	a._on = b._on;
	if (b._ver !== undefined && a._ver === b._ver)
		return;
	a._ver = b._ver;
	if (b._build)
		finish(b);
	for (const {name} of [...a.attributes]) {
		if (!b.hasAttribute(name) && name !== 'open') // a <details> is opened by its reader
			a.removeAttribute(name);
	}
	for (const {name, value} of b.attributes) {
		if (a.getAttribute(name) !== value)
			a.setAttribute(name, value);
	}
	morphChildren(a, [...b.childNodes]);
	if (a._value !== b._value && (a !== document.activeElement || a.nodeName === 'SELECT'))
		a.value = b._value;
	a._value = b._value;
	if (b._checked !== undefined)
		a.checked = b._checked;
}

function morphChildren(a, wanted) {
	const keys = new Set(wanted.map((n) => n._key));
	const kept = new Map();
	for (const n of [...a.childNodes]) {
		if (n._key !== undefined && !keys.has(n._key))
			n.remove();
		else if (n._key !== undefined)
			kept.set(n._key, n);
	}
	let at = a.firstChild;
	for (const n of wanted) {
		const old = n._key !== undefined ? kept.get(n._key) : at;
		if (!old || old.nodeName !== n.nodeName || old._key !== n._key) {
			a.insertBefore(n.nodeType === 1 ? finish(n) : n, at);
			continue;
		}
		if (old === at)
			at = at.nextSibling;
		else
			a.insertBefore(old, at);
		if (n.nodeType === 1)
			morph(old, n);
		else if (old.data !== n.data)
			old.data = n.data;
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

const byId = (id) => document.getElementById(id);

function show(id, ...children) {
	const box = h('div', children);
	morphChildren(byId(id), [...box.childNodes]);
}

for (const type of ['click', 'input', 'change', 'submit']) {
	document.addEventListener(type, (event) => {
		let n = event.target;
		while (n && !(n._on && n._on[type]))
			n = n.parentNode;
		if (type === 'submit')
			event.preventDefault();
		if (n)
			n._on[type](event, n);
	});
}

// --- numbers and times as text ---
/* An integer of millionths as a decimal, cut (not rounded) to `most` places, zeros dropped down to `least`. */
function decimal(n, least = 2, most = 6) {
	const digits = String(Math.abs(n)).padStart(7, '0');
	const whole = digits.slice(0, -6).replace(/\B(?=(\d{3})+$)/g, '\u202f');
	let fraction = digits.slice(-6).slice(0, most);
	while (fraction.length > least && fraction.endsWith('0'))
		fraction = fraction.slice(0, -1);
	return (n < 0 ? '−' : '') + whole + (fraction ? '.' + fraction : '');
}

const kwh = (mwh) => decimal(mwh, 3, 3);
const kw = (mw) => decimal(Math.trunc(mw), 2, 2);
const money = (micros, currency = S.currency, most = 6) => decimal(micros, 2, most) + (currency ? ' ' + currency : '');
const running = (micros) => money(micros, S.currency, 2);
const plain = (micros) => decimal(micros, 0).replaceAll('\u202f', '');

/* The integer of millionths that a decimal stands for, or null. */
function parsed(text) {
	const m = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
	return m && Number(m[1] + (m[2] || '').padEnd(6, '0'));
}

const two = (n) => String(n).padStart(2, '0');
const hourMinute = (minutes) => two(Math.floor(minutes / 60)) + ':' + two(minutes % 60);
const dayOf = (d) => two(d.getMonth() + 1) + '-' + two(d.getDate());
const timeOf = (d) => two(d.getHours()) + ':' + two(d.getMinutes());
const clock = (ms) => Math.floor(ms / 3600000) + ':' + two(Math.floor(ms / 60000) % 60) + ':' + two(Math.floor(ms / 1000) % 60);

function stamp(time, seconds = true) {
	const d = new Date(time);
	const year = d.getFullYear() === new Date().getFullYear() ? '' : d.getFullYear() + '-';
	return year + dayOf(d) + ' ' + timeOf(d) + (seconds ? ':' + two(d.getSeconds()) : '');
}

function ago(time) {
	const past = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000));
	const [unit, size] = past < 60 ? ['s', 1] : past < 3600 ? ['m', 60] : past < 172800 ? ['h', 3600] : ['d', 86400];
	return t('ago_' + unit, Math.floor(past / size));
}

const when = (time) => (time ? h('time', {datetime: time}, stamp(time)) : '–');
/* Kept right by a timer of its own, so that rows need no new building for it. */
const since = (time) => (time ? h('time', {datetime: time, 'data-ago': '', title: stamp(time)}, ago(time)) : t('never'));

// --- the server ---
const S = {}; // what is known

function forget(me) {
	Object.assign(S, {me, boxes: new Map(), open: new Map(), recent: [], alarms: [], tariffs: [], places: [], sent: [],
		currency: '', view: {}});
}

class Refused extends Error {
	constructor(code, message, status, wait) {
		super(message);
		Object.assign(this, {code, status, wait});
	}

	get text() {
		const own = TEXT.has(this.code) ? t(this.code, this.wait || 60) : '';
		if (!this.message || ['wrong_password', 'too_many', 'unauthorized', 'forbidden'].includes(this.code))
			return own || this.code;
		return lang === 'en' || !own ? capital(this.message) : own + '（' + this.message + '）';
	}
}

async function api(method, path, body) {
	const init = {method, headers: {Accept: 'application/json'}, signal: AbortSignal.timeout(20000)};
	if (method !== 'GET') {
		init.headers['Content-Type'] = 'application/json';
		init.body = JSON.stringify(body || {});
	}
	let response;
	try {
		response = await fetch('/v1/operator/' + path, init);
	} catch {
		throw new Refused(method === 'GET' ? 'network_get' : 'network', '');
	}
	const data = await response.json().catch(() => null);
	if (response.ok && data)
		return data;
	if (response.status === 401 && S.me && path !== 'session')
		signedOut();
	const {code, message} = (data && data.error) || {code: 'internal', message: ''};
	throw new Refused(code, message, response.status, Number(response.headers.get('Retry-After')));
}

const path = (...parts) => parts.map(encodeURIComponent).join('/');
const can = (role) => S.me && ROLES.indexOf(S.me.role) >= ROLES.indexOf(role);
const find = (list, text, fields) => list.filter((row) => !text || fields(row).some((v) => v && v.toLowerCase().includes(text)));

let saying = 0;
function say(text) {
	byId('say').textContent = text;
	clearTimeout(saying);
	saying = setTimeout(() => byId('say').textContent = '', 9000);
}

// --- the live stream ---
const stream = {source: null, live: false, since: 0, timer: 0};

function listen() {
	hush();
	const source = stream.source = new EventSource('/v1/operator/events');
	source.onopen = () => {
		connected(true);
		refresh();
	};
	source.onerror = () => {
		connected(false);
		if (source.readyState === EventSource.CLOSED)
			stream.timer = setTimeout(listenAgain, 5000);
	};
	const take = (type, f) => source.addEventListener(type, (event) => {
		connected(true);
		f(JSON.parse(event.data));
		later();
	});
	take('box', (box) => {
		S.boxes.set(box.box, box);
		for (const sent of S.sent) {
			if (sent.box === box.box && box.accepted_through >= sent.from)
				chase(sent);
		}
	});
	take('order', takeOrder);
	take('alarm', (alarm) => {
		if (S.alarms.some((a) => a.number === alarm.number))
			return;
		S.alarms = [alarm, ...S.alarms.slice(0, KEPT_MAX)];
		if (alarm.kind !== 'cleared')
			say(t('new_alarm', place(alarm.box, alarm.outlet), t(alarm.word)));
	});
}

function hush() {
	clearTimeout(stream.timer);
	if (stream.source)
		stream.source.close();
}

/* The browser has given up: the server refused the stream. Is it us who must sign in again? */
async function listenAgain() {
	try {
		await api('GET', 'session');
		listen();
	} catch (error) {
		if (error.status === 401)
			signedOut();
		else
			stream.timer = setTimeout(listenAgain, 5000);
	}
}

function connected(live) {
	if (live)
		stream.since = Date.now();
	if (stream.live === live)
		return;
	stream.live = live;
	if (live && !byId('lost').hidden)
		say(t('Connected again.'));
	renderTop();
}

/* A link that died without a word is found by asking: comments of the stream are not shown to a page. */
setInterval(async () => {
	if (!S.me || !stream.live)
		return;
	try {
		await fetch('/v1/health', {signal: AbortSignal.timeout(10000), cache: 'no-store'});
		stream.since = Date.now();
	} catch {
		connected(false);
		listen();
	}
}, 20000);

/* What the stream does not tell again, after it was away. */
async function refresh() {
	try {
		const [{boxes}, open, {alarms}] = await Promise.all([api('GET', 'boxes'), orderPages('open=1', 20), api('GET', 'alarms')]);
		S.boxes = new Map(boxes.map((b) => [b.box, b]));
		S.open = new Map(open.map((o) => [o.order, o]));
		S.alarms = alarms;
		render();
	} catch (error) {
		if (S.me)
			say(error.text);
	}
}

async function orderPages(query, most, enough = () => false) {
	const all = [];
	for (let next = '', i = 0; i < most && next !== null && !enough(all); i++) {
		const page = await api('GET', 'orders' + (query || next ? '?' : '') + query + (query && next ? '&' : '') + next);
		all.push(...page.orders);
		next = page.next ? 'before=' + encodeURIComponent(page.next) : null;
	}
	return all;
}

async function alarmPages(enough) {
	const all = [];
	for (let i = 0, more = true; i < PAGES_MAX && more && !enough(all); i++) {
		const {alarms} = await api('GET', 'alarms' + (all.length ? '?before=' + all[all.length - 1].number : ''));
		all.push(...alarms);
		more = alarms.length > 0;
	}
	return all;
}

function takeOrder(order) {
	if (order.state === 'sent' || order.state === 'open')
		S.open.set(order.order, order);
	else
		S.open.delete(order.order);
	S.recent = [order, ...S.recent.filter((o) => o.order !== order.order).slice(0, KEPT_MAX)];
	if (S.view.order && S.view.order.order === order.order)
		S.view.order = order;
}

// --- commands and what became of them ---
async function command(box, outlet, type, more, name = type) {
	const from = (S.boxes.get(box) || {accepted_through: 0}).accepted_through + 1;
	const {id} = await api('POST', path('boxes', box, 'commands'), {type, outlet, ...more});
	const sent = {id, box, outlet, name, from, outcome: '', detail: '', at: Date.now()};
	S.sent = [sent, ...S.sent.slice(0, 99)];
	sent.timer = setInterval(() => chase(sent), 4000);
	say(t('cmd_sent', T(name), place(box, outlet)));
	render();
}

/* Looks for the record that decides the command: the box's own word, not a guess. */
async function chase(sent) {
	if (sent.busy || sent.outcome || !S.me)
		return;
	sent.busy = true;
	const page = await api('GET', path('boxes', sent.box, 'records') + '?from=' + sent.from).catch(() => ({records: []}));
	sent.busy = false;
	for (const text of page.records) {
		try {
			const record = JSON.parse(text);
			sent.from = Math.max(sent.from, record.seq + 1);
			if (record.kind === 'command' && record.id === sent.id)
				Object.assign(sent, {outcome: record.outcome, detail: record.detail || ''});
		} catch {
			continue; // a damaged one, which the server has set aside
		}
	}
	if (!sent.outcome && Date.now() - sent.at > 180000)
		sent.outcome = 'late';
	if (!sent.outcome)
		return;
	clearInterval(sent.timer);
	say(named(t(sent.name) + ', ' + place(sent.box, sent.outlet), outcome(sent)));
	later();
}

const outcome = (sent) => (sent.outcome ? t(sent.outcome) + (sent.detail && named('', t(sent.detail))) : t('waiting for the box'));

// --- fields, and the question before an act ---
/* A field: {name, label, kind, value, hint, options, check …}; kinds: word, money, int, select, area, password, checkbox. */
function control(f) {
	const base = {name: f.name, value: f.value === undefined ? '' : f.value, oninput: f.oninput, onchange: f.onchange,
		readonly: f.readonly, maxlength: f.most, autocomplete: f.auto || 'off', spellcheck: 'false', 'aria-label': f.aria,
		placeholder: f.placeholder};
	if (f.kind === 'select')
		return h('select', {...base, disabled: f.readonly}, f.options.map(([value, text]) => h('option', {value, key: value}, text)));
	if (f.kind === 'area')
		return h('textarea', {...base, rows: 14, lang: f.lang});
	const type = ['password', 'checkbox', 'datetime-local', 'search'].includes(f.kind) ? f.kind : 'text';
	return h('input', {...base, value: type === 'checkbox' ? undefined : base.value, type,
		inputmode: f.kind === 'money' ? 'decimal' : f.kind === 'int' ? 'numeric' : undefined});
}

function field(f, input = control(f)) {
	if (f.kind === 'checkbox')
		return h('label.check', input, f.label);
	if (f.hint)
		input.setAttribute('aria-describedby', 'hint-' + f.name);
	return h('label.field', h('span', capital(f.label)), input, f.hint && h('small', {id: 'hint-' + f.name}, f.hint));
}

const asciiWord = (text, most) => new RegExp('^[ !#-\\[\\]-~]{1,' + most + '}$').test(text);

/* [value, what is wrong with it] of what was typed. */
function read(f, input) {
	if (f.kind === 'checkbox')
		return [input.checked, input.checked ? '' : t('Please fill this in.')];
	const text = f.kind === 'password' || f.kind === 'area' ? input.value : input.value.trim();
	let value = text;
	if (text === '')
		return [text, t('Please fill this in.')];
	if (f.kind === 'money') {
		value = parsed(text);
		if (!value)
			return [0, t(value === 0 ? 'v_above0' : 'v_money')];
	} else if (f.kind === 'int') {
		value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
		if (value < f.min || value > f.max)
			return [0, t('v_int', f.min, f.max)];
	} else if (f.kind === 'word' && !asciiWord(text, f.most)) {
		return [text, t('v_ascii', f.most)];
	}
	return [value, f.check ? f.check(value) : ''];
}

/* The values of a form's fields, or null after saying what is wrong by fail(text). */
function readAll(form, fields, fail) {
	const values = {};
	for (const f of fields) {
		const input = form.elements[f.name];
		const [value, wrong] = read(f, input);
		input.setAttribute('aria-invalid', String(!!wrong));
		if (wrong) {
			input.focus();
			fail(named(f.label, wrong));
			return null;
		}
		values[f.name] = value;
	}
	return values;
}

/* run(values) acts; what it throws stands in the dialog, which stays, so that a repeated act carries the same key. */
function ask({title, lines = [], fields = [], ok, danger, run}) {
	const dialog = byId('ask');
	const back = document.activeElement;
	const alert = h('p.alert', {role: 'alert', hidden: true});
	const go = h('button.main' + (danger ? '.danger' : ''), ok);
	go.type = 'submit';
	const fail = (text) => {
		alert.textContent = text;
		alert.hidden = false;
	};
	const submit = async (event, form) => {
		const values = readAll(form, fields, fail);
		if (!values)
			return;
		alert.hidden = go.disabled = true;
		try {
			await run(values);
			dialog.close();
		} catch (error) {
			fail(error.text || String(error));
		}
		go.disabled = false;
	};
	dialog.replaceChildren(h('form', {novalidate: true, onsubmit: submit}, h('h2#ask-title', title),
		lines.filter(Boolean).map((line) => h('p', line)), fields.map((f) => field(f)), alert,
		h('div.row', act('cancel', () => dialog.close()), go)));
	dialog.onclose = () => (back && back.isConnected ? back : byId('main')).focus();
	dialog.showModal();
}

// --- tables and other pieces ---
/* columns: [heading, cell(row), class]; a "wide" cell is a line of its own on a narrow screen, "n" is a number. */
function table(label, columns, rows, {key, ver, trouble, foot, empty = t('Nothing here.'), lines} = {}) {
	if (!rows.length && empty)
		return h('p.empty', {key: 'empty'}, empty);
	const cell = (content, i) => h('td', {role: 'cell', class: columns[i][2], 'data-name': capital(columns[i][0])},
		Array.isArray(content) ? h('span', content) : content);
	const row = (r, i) => h('tr', {role: 'row', key: key ? key(r) : i, ver: ver && ver(r), class: trouble && trouble(r) ? 'trouble' :
		undefined, build: () => columns.map(([, content], k) => cell(content(r), k))});
	return h('div.scroll', {key: label}, h(lines ? 'table.lines' : 'table.stack', {role: 'table', 'aria-label': label},
		h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, columns.map(([name, , kind]) =>
			h('th', {role: 'columnheader', scope: 'col', class: kind}, capital(name))))),
		h('tbody', {role: 'rowgroup'}, rows.map(row)),
		foot && h('tfoot', {role: 'rowgroup'}, h('tr', {role: 'row'}, foot.map(cell)))));
}

const link = (text, ...parts) => h('a', {href: '#' + path(...parts)}, text);
const act = (key, onclick, kind = '') => h('button' + kind, {onclick}, T(key));

/* One that cannot be pressed stays reachable for keyboard and screen reader, and says why. */
function actUnless(why, key, onclick, kind) {
	return why ? h('button', {'aria-disabled': 'true', title: capital(why), onclick: () => say(named(t(key), why))}, T(key),
		h('span.unseen', ' (' + why + ')')) : act(key, onclick, kind);
}

const head = (title, ...more) => h('div.head', h('h1', {tabindex: '-1'}, title), more);
const section = (key, ...content) => h('section', h('div.head', h('h2', T(key))), content);

function facts(list, big = 0) {
	return h('dl.facts', list.filter(([, value]) => value || value === 0).map(([name, value], i) =>
		h(i < big ? 'div.big' : 'div', h('dt', T(name)), h('dd', value))));
}

function filterBox(holder, label = T('filter')) {
	return h('input.search', {type: 'search', 'aria-label': label, placeholder: label, value: holder.filter || '', oninput: (e) => {
		holder.filter = e.target.value;
		render();
	}});
}

/* A button that is dead while it works; what goes wrong is said. */
function worker(key, work) {
	return act(key, async (event, button) => {
		button.disabled = true;
		await work().catch((error) => say(error.text));
		button.disabled = false;
		render();
	});
}

// --- boxes ---
const place = (box, outlet) => (outlet ? box + ' · ' + t('outlet_n', outlet) : box || '–');
const stateOf = (o) => (o.fault !== 'none' ? 'faulted' : o.out_of_service ? 'out_of_service' : o.progress ? o.progress.state :
	o.reserved_for ? 'reserved' : 'unknown');
const stateText = (o) => t(o.fault !== 'none' ? o.fault : stateOf(o));
const orderOf = (o) => o.order || (o.progress && o.progress.order) || '';
const inSession = (o) => o.progress && ['unlocked', 'ready', 'supplying', 'paused', 'ending'].includes(o.progress.state);
const missingOf = (o, mask) => MISSING.filter((name, i) => o.progress && o.progress.missing & mask & (1 << i));
const queueOf = (b) => (typeof b.queue === 'number' ? b.queue : '–');
const linkState = (b) => h(b.connected ? 'span.good' : 'span.bad', b.connected ? '● ' + t('online') : '▲ ' + t('offline'));

/* What somebody should look at, in words. */
function troubles(b) {
	const list = b.connected ? [] : [T('offline') + ' · ' + t('last heard') + ' ' + (b.heard ? stamp(b.heard) : t('never'))];
	if (b.queue >= QUEUE_TROUBLE)
		list.push(t('queue_is', b.queue));
	for (const o of b.outlets) {
		const words = [...(o.fault !== 'none' ? [o.fault] : []), ...(stateOf(o) === 'ending' ? [] : missingOf(o, MISSING_TROUBLE))];
		if (words.length)
			list.push(named(t('outlet_n', o.outlet), listed(words)));
	}
	return list;
}

function chip(o) {
	const state = stateOf(o);
	return h('li.chip.s-' + state, {title: [o.label, o.code, orderOf(o), o.reserved_for].filter(Boolean).join(' · ')},
		h('b', o.outlet), stateText(o) + (state === 'supplying' ? ' ' + kw(o.progress.power_mw) + ' kW' : ''));
}

function boxesView() {
	const all = [...S.boxes.values()].sort((a, b) => a.box.localeCompare(b.box, 'en', {numeric: true}));
	const bad = all.filter((b) => troubles(b).length);
	const rows = find(S.troubled ? bad : all, (S.filter || '').toLowerCase(), (b) => [b.box, ...b.outlets.flatMap((o) =>
		[o.label, o.code, orderOf(o), o.reserved_for])]);
	const outlets = all.flatMap((b) => b.outlets);
	const supplying = outlets.filter((o) => stateOf(o) === 'supplying');
	const count = (n, name, alarming) => h('div', h('dt', t(name)), h('dd', {class: alarming && n ? 'bad' : undefined}, String(n)));
	return [head(T('boxes')), h('dl.tally', count(all.length, 'n_boxes'),
		count(all.filter((b) => !b.connected).length, 'without link', true),
		count(outlets.filter((o) => o.fault !== 'none').length, 'outlets with a fault', true), count(supplying.length, 'n_supplying'),
		count(kw(supplying.reduce((sum, o) => sum + o.progress.power_mw, 0)), 'kW now'),
		count(all.reduce((sum, b) => sum + (b.queue || 0), 0), 'records waiting')),
	h('div.head', filterBox(S, t('filter_boxes')), h('label.check', h('input', {type: 'checkbox', checked: !!S.troubled,
		onchange: (e) => {
			S.troubled = e.target.checked;
			render();
		}}), T('only troubled') + ' (' + bad.length + ')')),
	table(T('boxes'), [
		[t('box'), (b) => link(b.box, 'box', b.box), 'wide'],
		[t('link'), linkState, 'w'],
		[t('last heard'), (b) => since(b.heard), 'w'],
		[t('queue'), (b) => String(queueOf(b)), 'n'],
		[t('undecided'), (b) => String(b.commands || 0), 'n'],
		[t('outlets'), (b) => h('div', b.outlets.length ? h(b.connected ? 'ul.chips' : 'ul.chips.stale', b.outlets.map(chip)) :
			h('small', t('has not reported')), h('ul.why', troubles(b).map((w) => h('li', w)))), 'wide'],
	], rows, {key: (b) => b.box, ver: (b) => b, trouble: (b) => troubles(b).length,
		empty: t(all.length && S.troubled && !S.filter ? 'No box is troubled.' : 'Nothing matches the filter.')})];
}

// --- one box ---
async function loadBox(box, view) {
	const mine = (o) => o.box === box;
	const [status, orders, alarms] = await Promise.all([api('GET', path('boxes', box)),
		orderPages('', PAGES_MAX, (all) => all.filter(mine).length >= 20), alarmPages((all) => all.filter(mine).length >= 30)]);
	S.boxes.set(box, status);
	S.recent = orders;
	view.alarms = alarms.filter(mine);
	view.chart = {kind: 'day', back: 0, outlet: 0};
	loadChart(view, box);
}

function boxView(box) {
	const b = S.boxes.get(box);
	const known = new Set(S.view.alarms.map((a) => a.number));
	const alarms = [...S.alarms.filter((a) => a.box === box && !known.has(a.number)), ...S.view.alarms];
	return [head(b.box, linkState(b)),
		facts([['last heard', since(b.heard)], ['queue', queueOf(b)], ['undecided', b.commands || 0],
			['records taken in', b.accepted_through], ['ledger', b.ledger && h('code', {title: b.ledger}, b.ledger.slice(0, 8))]]),
		b.outlets.length ? h('div.cards', b.outlets.map((o) => outletCard(b, o))) : h('p.empty', T('has not reported')),
		chartSection(box),
		section('recent orders', orderTable(S.recent.filter((o) => o.box === box).slice(0, 20))),
		section('recent alarms', alarmTable(alarms.slice(0, 30), false))];
}

const measured = (p) => [['power', kw(p.power_mw) + ' kW'], ['energy', kwh(p.energy_mwh) + ' kWh'], ['cost', running(p.cost_micros)],
	['duration', p.energised_ms >= 0 && clock(p.energised_ms)],
	['left', running(p.remaining_micros) + (p.remaining_ms >= 0 ? ' · ' + clock(p.remaining_ms) : '')]];

function outletCard(b, o) {
	const p = o.progress;
	const state = stateOf(o);
	const order = orderOf(o);
	const missing = missingOf(o, ~MISSING_FAULT);
	return h('article.card' + (state === 'faulted' ? '.trouble' : '') + (b.connected ? '' : '.stale'), {key: o.outlet,
		'aria-label': t('outlet_n', o.outlet)},
	h('div.row', h('h2', t('outlet_n', o.outlet), o.label && h('span.soft', ' · ' + o.label)), h('span.chip.s-' + state, stateText(o))),
	p && order && facts([...measured(p), ['order', shortOrder(order)]], 3),
	facts([['reserved for', o.reserved_for && link(o.reserved_for, 'account', o.reserved_for)],
		['register', p && p.has_register && kwh(p.register_mwh) + ' kWh'],
		['code', o.code && (can('manager') ? link(o.code, 'place', o.code) : o.code)]]),
	o.fault !== 'none' && h('p.bad', t(o.fault + '_do') + ' ' + t('may_clear', listed(o.clearable_by || []) || '–')),
	p && p.low_credit && inSession(o) && h('p.warn', T('credit is nearly used up')),
	missing.length > 0 && h('p.soft', named(t('missing before it is ready'), listed(missing))),
	can('operator') && outletActs(b.box, o, order),
	h('ul.sent', S.sent.filter((c) => c.box === b.box && c.outlet === o.outlet).slice(0, 3).map((c) => h('li', {key: c.id,
		class: !c.outcome ? 'soft' : c.outcome === 'done' ? 'good' : 'bad'},
	stamp(c.at).slice(-8) + ' ' + named(t(c.name), outcome(c))))));
}

/* The question of one command; the texts stand under its name with ? and !. */
function askCommand(box, outlet, name, {type = name, body = {}, args = [], lines = [], danger, fields, more = () => body}) {
	ask({title: t(name + '?', place(box, outlet)), lines: [...lines, t(name + '!', ...args)], ok: T(name), danger, fields,
		run: (values) => command(box, outlet, type, more(values), name)});
}

function outletActs(box, o, order) {
	const state = o.progress ? o.progress.state : 'unknown';
	const button = (why, name, how, kind) => actUnless(why && t(why), name, () => askCommand(box, o.outlet, name, how), kind);
	const free = !o.out_of_service && o.fault === 'none' && (state === 'available' || state === 'unknown');
	return h('div.row.do',
		button(order && inSession(o) ? '' : 'why_session', 'power_off', {body: {order}, args: [order], danger: true}, '.danger'),
		button(o.fault === 'welded' ? 'why_welded' : state === 'supplying' ? 'why_supply' : '', 'unlock', {}),
		state === 'finishing' && order && button('', 'plug_out', {type: 'departed', body: {order}, args: [order]}),
		o.fault !== 'none' && button((o.clearable_by || []).includes('operator') ? '' : 'why_tech', 'clear_fault', {args: [t(o.fault)]}),
		o.reserved_for ? button('', 'release', {args: [o.reserved_for]}) : button(free ? '' : 'why_busy', 'reserve', {
			fields: [{name: 'account', label: t('account'), kind: 'word', most: 40},
				{name: 'minutes', label: t('for how many minutes'), kind: 'int', min: 1, max: 10080, value: '30'}],
			more: ({account, minutes}) => ({account, hold_ms: minutes * 60000})}),
		o.out_of_service ? button('', 'back', {type: 'out_of_service', body: {out: false}}) :
			button('', 'out_of_service', {body: {out: true}, danger: true,
				lines: inSession(o) && order ? [t('oos_session', order)] : []}, '.danger'));
}

// --- the chart ---
const SPANS = {day: {days: 1, step_s: 900}, week: {days: 7, step_s: 3600}, month: {days: 30, step_s: 14400}};

async function loadChart(view, box) {
	const c = view.chart;
	const {days, step_s} = SPANS[c.kind];
	const today = new Date();
	const day = (n) => new Date(today.getFullYear(), today.getMonth(), today.getDate() + n).getTime();
	const from = day(1 - days + c.back * days);
	const end = day(1 + c.back * days);
	const to = Math.min(end, from + Math.ceil((Date.now() - from) / step_s / 1000) * step_s * 1000);
	const wanted = c.wanted = {from, end, kind: c.kind, step_ms: step_s * 1000};
	c.wrong = '';
	try {
		const {outlets} = await api('GET', path('boxes', box, 'series') + '?from=' + new Date(from).toISOString() + '&to=' +
			new Date(to).toISOString() + '&step_s=' + step_s);
		if (c.wanted === wanted)
			c.shown = {...wanted, outlets};
	} catch (error) {
		c.wrong = error.text;
	}
	if (S.view === view && view.ready)
		render();
}

/* Steps become bars: the hours of a day, the days of a week or a month, by local time. */
function bins(shown, outlet) {
	const series = shown.outlets.filter((o) => !outlet || o.outlet === outlet).map((o) => o.energy_mwh);
	const bars = [];
	const loads = [];
	for (let i = 0; i < Math.max(0, ...series.map((e) => e.length)); i++) {
		const start = new Date(shown.from + i * shown.step_ms);
		const mwh = series.reduce((sum, e) => sum + (e[i] || 0), 0);
		const load = {start, mw: mwh * 3600000 / shown.step_ms};
		const name = shown.kind === 'day' ? start.getHours() + start.getTimezoneOffset() / 1e4 : start.toDateString();
		let bar = bars[bars.length - 1];
		if (!bar || bar.name !== name)
			bars.push(bar = {name, start, mwh: 0, peak: 0, ms: 0});
		bar.mwh += mwh;
		bar.ms += shown.step_ms;
		bar.peak = Math.max(bar.peak, load.mw);
		loads.push(load);
	}
	return {bars, loads, mwh: bars.reduce((sum, b) => sum + b.mwh, 0)};
}

function chartSection(box) {
	const c = S.view.chart;
	const set = (more) => () => {
		Object.assign(c, more);
		loadChart(S.view, box);
		render();
	};
	const numbers = c.shown ? c.shown.outlets.map((o) => o.outlet) : [];
	return h('section', h('div.head', h('h2', T('energy and load')),
		h('div.group', {role: 'group', 'aria-label': T('energy and load')}, Object.keys(SPANS).map((kind) =>
			h('button', {'aria-pressed': String(c.kind === kind), onclick: set({kind, back: 0})}, T(kind)))),
		h('div.group', h('button', {onclick: set({back: c.back - 1})}, '← ' + T('earlier')),
			h('button', {disabled: c.back >= 0, onclick: set({back: c.back + 1})}, T('later') + ' →')),
		numbers.length > 1 && control({kind: 'select', aria: T('outlet'), value: String(c.outlet), onchange: (e) =>
			set({outlet: Number(e.target.value)})(), options: [0, ...numbers].map((n) => [String(n), n ? t('outlet_n', n) :
			T('all outlets')])})),
	c.wrong ? h('p.alert', c.wrong) : c.shown ? drawChart(c.shown, c.outlet) : h('p.empty', t('Loading …')));
}

/* A round number at or above, for an axis. */
function ceiling(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return [1, 2, 2.5, 5, 10].map((m) => m * power).find((v) => v >= value * 0.9999);
}

function drawChart(shown, outlet) {
	const {bars, loads, mwh} = bins(shown, outlet);
	const [width, left, right, high, low] = WIDE.matches ? [1000, 44, 992, 150, 110] : [380, 36, 378, 120, 90];
	const top = 20;
	const lowTop = top + high + 34;
	const x = (time) => left + (time - shown.from) / (shown.end - shown.from) * (right - left);
	const peak = loads.reduce((a, b) => (b.mw > a.mw ? b : a), {mw: 0, start: shown.from});
	const title = t('ch_sum', stamp(shown.from, false), stamp(shown.end, false), kwh(mwh), kw(peak.mw), stamp(peak.start, false));
	const graph = (name, most, from, size) => {
		const max = ceiling(Math.max(100000, most)) / 1e6;
		const y = (value) => from + size - value / 1e6 / max * size;
		return [y, s('text', {class: 'name', x: left, y: from - 9}, name), [0, 0.5, 1].map((part) => [
			s('path', {class: 'grid', d: `M${left} ${from + size - part * size}H${right}`}),
			s('text', {x: left - 6, y: from + size - part * size + 4, 'text-anchor': 'end'}, Number((max * part).toPrecision(3)))])];
	};
	const [yBar, ...barAxis] = graph(t('ch_energy'), Math.max(0, ...bars.map((b) => b.mwh)), top, high);
	const [yLoad, ...loadAxis] = graph(t('ch_load', shown.step_ms / 60000), peak.mw, lowTop, low);
	const byDay = shown.kind !== 'day';
	const every = !byDay ? (WIDE.matches ? 3 : 6) : shown.kind === 'week' ? 1 : WIDE.matches ? 3 : 7;
	const slot = (right - left) / (byDay ? SPANS[shown.kind].days : 24);
	const ticks = [];
	for (let d = new Date(shown.from), n = 0; d < shown.end; n++, byDay ? d.setDate(d.getDate() + 1) : d.setHours(d.getHours() + 1)) {
		if (n % every === 0)
			ticks.push(s('text', {x: x(d) + (byDay ? slot / 2 : 0), y: lowTop + low + 16, 'text-anchor': 'middle'}, byDay ? dayOf(d) : timeOf(d)));
	}
	const line = loads.map((l, i) => `${i ? 'L' : 'M'}${x(l.start).toFixed(1)} ${yLoad(l.mw).toFixed(1)}H${
		x(l.start.getTime() + shown.step_ms).toFixed(1)}`).join('');
	return [h('div.chart', s('svg', {viewBox: `0 0 ${width} ${lowTop + low + 22}`, role: 'img', 'aria-label': title}, barAxis,
		bars.map((b) => b.mwh > 0 && s('rect', {class: 'bar', x: x(b.start) + slot * 0.12, width: slot * 0.76, y: yBar(b.mwh),
			height: top + high - yBar(b.mwh)}, s('title', (byDay ? dayOf(b.start) : timeOf(b.start)) + '  ' + kwh(b.mwh) + ' kWh'))),
		loadAxis, line && [s('path', {class: 'under', d: `${line}V${lowTop + low}H${left}Z`}), s('path', {class: 'load', d: line})], ticks)),
	h('p.soft', title),
	h('details', h('summary', T('as a table')), table(T('energy and load'), [
		[t('from'), (b) => stamp(b.start, false), 'w'],
		['kWh', (b) => kwh(b.mwh), 'n'],
		[t('mean kW'), (b) => kw(b.mwh * 3600000 / b.ms), 'n'],
		[t('highest kW'), (b) => kw(b.peak), 'n'],
	], bars, {lines: true}))];
}

// --- orders ---
function outletOf(box, outlet) {
	const b = S.boxes.get(box);
	return (b && b.outlets.find((o) => o.outlet === outlet)) || {};
}

function progressOf(order) {
	const {progress} = outletOf(order.box, order.outlet);
	return progress && progress.order === order.order ? progress : null;
}

function where(box, outlet) {
	const {label} = outletOf(box, outlet);
	return [box ? link(box, 'box', box) : '–', outlet ? ' · ' + outlet : '', label && h('small', ' ' + label)];
}

const shortOrder = (order) => h('a.mono', {href: '#' + path('order', order), title: order},
	order.length > 14 ? order.slice(0, 12) + '…' : order);
const accountLink = (o) => link(o.account, 'account', o.account);

function sessionsView() {
	const rows = [...S.open.values()].map((o) => ({...o, p: progressOf(o)}))
		.sort((a, b) => (b.made || '').localeCompare(a.made || '') || (a.order < b.order ? 1 : -1));
	const sum = (name) => rows.reduce((total, o) => total + (o.p ? o.p[name] : 0), 0);
	const live = (f) => (o) => (o.p ? f(o.p) : '–');
	return [head(T('sessions'), h('span.soft', [t('n_sessions', rows.length), kw(sum('power_mw')) + ' kW', kwh(sum('energy_mwh')) + ' kWh',
		running(sum('cost_micros'))].join(' · '))), table(T('sessions'), [
		[t('order'), (o) => shortOrder(o.order)],
		[t('outlet'), (o) => where(o.box, o.outlet)],
		[t('account'), accountLink],
		[t('state'), (o) => h('span.chip.s-' + (o.p ? o.p.state : 'unknown'), t(o.p ? o.p.state : o.state))],
		[t('power') + ', kW', live((p) => kw(p.power_mw)), 'n'],
		[t('energy') + ', kWh', live((p) => kwh(p.energy_mwh)), 'n'],
		[t('duration'), live((p) => (p.energised_ms >= 0 ? clock(p.energised_ms) : '–')), 'n'],
		[t('cost'), live((p) => running(p.cost_micros)), 'n'],
		[t('held'), (o) => money(o.held_micros), 'n'],
		['', (o) => can('operator') && act('power_off', () => askCommand(o.box, o.outlet, 'power_off', {body: {order: o.order},
			args: [o.order], danger: true}), '.danger'), 'acts'],
	], rows, {key: (o) => o.order, empty: t('No session is running.')})];
}

function orderTable(orders) {
	return table(T('recent orders'), [
		[t('ordered'), (o) => when(o.made), 'w'],
		[t('order'), (o) => shortOrder(o.order)],
		[t('outlet'), (o) => String(o.outlet)],
		[t('account'), accountLink],
		[t('state'), (o) => t(o.state)],
		[t('reason'), (o) => o.receipt && t(o.receipt.reason)],
		['kWh', (o) => o.receipt && kwh(o.receipt.energy_mwh), 'n'],
		[t('billed'), (o) => o.state === 'done' && money(o.billed_micros), 'n'],
	], orders, {key: (o) => o.order});
}

function orderView() {
	const o = S.view.order;
	const r = o.receipt;
	const p = progressOf(o);
	const limit = o.limit_mwh ? kwh(o.limit_mwh) + ' kWh' : o.limit_ms ? clock(o.limit_ms) : o.limit_micros ? money(o.limit_micros) : '';
	return [head(T('order'), h('code', o.order)), h('div.pane', facts([['state', t(o.state)], ['ordered', o.made && when(o.made)],
		['outlet', where(o.box, o.outlet)], ['account', accountLink(o)], ['mode', t(o.mode)],
		['until', o.until && t(o.until) + ' ' + limit], ['held', money(o.held_micros)]]), p && facts(measured(p), 3),
	r && [h('h2', named(t('reason'), t(r.reason))), facts([['energy', kwh(r.energy_mwh) + ' kWh'], ['billed', money(o.billed_micros)],
		['duration', clock(r.energised_ms)], ['start register', kwh(r.start_mwh) + ' kWh'],
		['end register', kwh(r.start_mwh + r.energy_mwh) + ' kWh'],
		['final reading', t(r.settled ? 'taken after the breaker opened' : 'the last remembered one')],
		['captured', money(o.captured_micros)]], 2),
	o.written_off_micros > 0 && h('p.warn', named(t('written_off'), money(o.written_off_micros)))],
	['price_differs', 'ledger_lost'].map((flag) => o[flag] && h('p.warn', T(flag))))];
}

// --- alarms ---
function alarmTable(alarms, withBox) {
	return table(T('alarms'), [
		[t('time'), (a) => when(a.time), 'w'],
		[t('outlet'), (a) => (withBox ? where(a.box, a.outlet) : String(a.outlet || '–'))],
		[t('kind'), (a) => h('span.' + ({fault: 'bad', cleared: 'good'}[a.kind] || 'warn'), t(a.kind)), 'w'],
		[t('what'), (a) => t(a.word), 'wide'],
		[t('detail'), (a) => a.detail || '', 'wide'],
	], alarms, {key: (a) => a.number});
}

function alarmsView() {
	const view = S.view;
	const known = new Set(S.alarms.map((a) => a.number));
	const all = [...S.alarms, ...(view.older || []).filter((a) => !known.has(a.number))];
	if (all.length)
		stored('meterbox-alarms', String(all[0].number));
	const rows = find(all.filter((a) => !view.kind || a.kind === view.kind), (view.filter || '').toLowerCase(),
		(a) => [a.box, t(a.word), a.word, a.detail]);
	return [head(T('alarms'), filterBox(view), control({kind: 'select', aria: T('kind'), value: view.kind || '', onchange: (e) => {
		view.kind = e.target.value;
		render();
	}, options: ['', 'fault', 'alarm', 'cleared', 'server'].map((k) => [k, T(k || 'kind')])})), alarmTable(rows, true),
	all.length > 0 && !view.end && worker('older', async () => {
		const {alarms} = await api('GET', 'alarms?before=' + all[all.length - 1].number);
		view.older = [...(view.older || []), ...alarms];
		view.end = !alarms.length;
	})];
}

// --- tariffs ---
async function loadTariffs() {
	S.tariffs = (await api('GET', 'tariffs')).tariffs;
	const currencies = new Set(S.tariffs.map((f) => f.currency));
	S.currency = currencies.size === 1 ? [...currencies][0] : '';
}

function tariffsView() {
	return [head(T('tariffs'), can('manager') && h('a.button.end', {href: '#tariff'}, T('new tariff'))), table(T('tariffs'), [
		[t('id'), (f) => link(f.id, 'tariff', f.id)],
		[t('version'), (f) => String(f.version), 'n'],
		[t('price per kWh'), (f) => (f.rates ? f.rates.map((r) => r.name + ' ' + decimal(r.price_micros)).join(' · ') :
			decimal(f.energy_price_micros || 0)) + ' ' + f.currency],
		[t('service per kWh'), (f) => decimal(f.service_price_micros || 0), 'n'],
		[t('start_fee'), (f) => decimal(f.start_fee_micros || 0), 'n'],
		[t('rounding'), (f) => decimal(f.quantum_micros) + ' ' + t(f.rounding)],
	], S.tariffs, {key: (f) => f.id})];
}

async function loadTariff(id, view) {
	await loadTariffs();
	const f = S.tariffs.find((x) => x.id === id);
	if (id && !f)
		throw new Refused('not_found', id);
	const g = f || {id: '', currency: S.currency || 'CNY', quantum_micros: 10000, rounding: 'half_up', energy_price_micros: 800000};
	const byTime = g.rates ? g : {utc_offset_min: -new Date().getTimezoneOffset(), rates: [{name: 'valley', price_micros: 300000},
		{name: 'peak', price_micros: 900000}], periods: [[0, 0], [420, 1], [1320, 0]].map(([from_min, rate]) => ({from_min, rate}))};
	const offset = byTime.utc_offset_min || 0;
	const now = new Date();
	view.replaces = f ? f.version : 0;
	view.draft = {id: g.id, currency: g.currency, quantum: plain(g.quantum_micros), rounding: g.rounding,
		service: plain(g.service_price_micros || 0), start: plain(g.start_fee_micros || 0), byTime: !!g.rates,
		price: plain(g.energy_price_micros || 0), rates: byTime.rates.map((r) => ({name: r.name, price: plain(r.price_micros)})),
		periods: byTime.periods.map((p) => ({from: hourMinute(p.from_min), rate: String(p.rate)})),
		offset: (offset < 0 ? '-' : '+') + hourMinute(Math.abs(offset)),
		power: '7', hours: '8', at: now.getFullYear() + '-' + dayOf(now) + 'T18:00'};
	preview(view, 0);
}

/* [the wire's tariff without id and version, what is wrong with what was typed]. */
function tariffOf(d) {
	let wrong = '';
	const hold = (good, label, why, ...args) => {
		if (!good && !wrong)
			wrong = named(t(label), t(why, ...args));
	};
	const amount = (text, label) => {
		hold(parsed(text) !== null, label, 'v_money');
		return parsed(text) || 0;
	};
	const f = {currency: d.currency.trim(), service_price_micros: amount(d.service, 'service per kWh'),
		start_fee_micros: amount(d.start, 'start_fee'), quantum_micros: amount(d.quantum, 'rounded to'), rounding: d.rounding};
	hold(/^[A-Z]{3}$/.test(f.currency), 'currency', 'v_cur');
	hold(f.quantum_micros, 'rounded to', 'v_above0');
	if (!d.byTime)
		return [{...f, energy_price_micros: amount(d.price, 'price per kWh')}, wrong];
	f.rates = d.rates.map((r) => ({name: r.name.trim(), price_micros: amount(r.price, 'rates')}));
	hold(f.rates.every((r) => asciiWord(r.name, 16)), 'rates', 'v_ascii', 16);
	f.periods = d.periods.map((p) => {
		const m = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(p.from.trim());
		const from_min = m ? Number(m[1]) * 60 + Number(m[2]) : 1440;
		hold(from_min <= 1425, 'periods of the day', 'v_time');
		return {from_min, rate: Number(p.rate)};
	}).sort((a, b) => a.from_min - b.from_min);
	hold(f.periods[0].from_min === 0, 'periods of the day', 'v_first');
	hold(f.periods.every((p, i) => !i || p.from_min - f.periods[i - 1].from_min >= 15), 'periods of the day', 'v_gap');
	hold(f.rates.every((r, i) => f.periods.some((p) => p.rate === i)) && new Set(f.rates.map((r) => r.name)).size === f.rates.length,
		'rates', 'v_unused');
	const m = /^([+-])([01]\d|2[0-3]):([0-5]\d)$/.exec(d.offset.trim());
	hold(m, 'local time less UTC', 'v_offset');
	f.utc_offset_min = m ? Number(m[1] + 1) * (Number(m[2]) * 60 + Number(m[3])) : 0;
	return [f, wrong];
}

/* The bill is the server's own, asked for when typing has rested. */
function preview(view, wait = 350) {
	clearTimeout(view.timer);
	view.timer = setTimeout(async () => {
		const {draft: d, timer} = view;
		const [tariff, wrong] = tariffOf(d);
		const [power_mw, hours, from] = [parsed(d.power), parsed(d.hours), new Date(d.at)];
		view.wrong = wrong || (power_mw === null ? named(t('load, kW'), t('v_money')) : hours === null ?
			named(t('for hours'), t('v_money')) : isNaN(from) ? named(t('from'), t('Please fill this in.')) : '');
		if (!view.wrong) {
			const bill = await api('POST', 'preview', {tariff, power_mw, from: from.toISOString(), duration_ms:
				Math.trunc(hours * 36 / 10)}).catch((error) => ({wrong: error.text}));
			if (view.timer !== timer)
				return; // typed on meanwhile
			view.wrong = bill.wrong;
			view.bill = bill.wrong ? view.bill : {...bill, currency: tariff.currency};
		}
		if (S.view === view && view.ready)
			render();
	}, wait);
}

function tariffView() {
	const view = S.view;
	const d = view.draft;
	const readonly = !can('manager');
	const typed = (object, name) => (e) => {
		object[name] = e.target.value;
		preview(view);
	};
	const redo = (change) => () => {
		change();
		preview(view);
		render();
	};
	const bound = (name, label, kind, more) => field({name, label: t(label), kind, value: d[name], readonly, oninput: typed(d, name), ...more});
	const bare = (object, name, aria, more) => h('td', control({name, aria, value: object[name], readonly, oninput: typed(object, name), ...more}));
	const rows = (list, least, name, cells) => h('table.edit', h('tbody', list.map((row, i) => h('tr', cells(row, T(name) + ' ' + (i + 1)),
		h('td', !readonly && list.length > least && h('button', {'aria-label': T('remove') + ' ' + t(name) + ' ' + (i + 1), onclick:
			redo(() => {
				list.splice(i, 1);
				if (list === d.rates)
					d.periods.forEach((p) => p.rate = String(Math.max(0, p.rate - (p.rate >= i))));
			})}, '×'))))));
	return [head(T(d.id ? 'tariff' : 'new tariff') + (view.replaces ? ' ' + d.id : ''), view.replaces > 0 && h('span.soft',
		t('version_n', view.replaces))), h('div.beside',
		h('form.pane', {novalidate: true, onsubmit: () => saveTariff(view)}, conflictNote(view),
			!view.replaces && bound('id', 'id', 'word', {hint: t('id_hint'), most: 32}),
			h('div.row', {role: 'radiogroup', 'aria-label': T('kind')}, [false, true].map((byTime) => h('label.check', h('input',
				{type: 'radio', name: 'kind', disabled: readonly, checked: d.byTime === byTime, onchange: redo(() => d.byTime = byTime)}),
			T(byTime ? 'by time of day' : 'same at any time')))),
			!d.byTime ? h('fieldset', {key: 'flat'}, h('div.fields', bound('price', 'price per kWh', 'money'))) :
				h('fieldset', {key: 'time'}, h('legend', T('rates')), h('p', h('small', t('rate_hint'))),
					rows(d.rates, 1, 'rate', (r, name) => [bare(r, 'name', name, {most: 16}), bare(r, 'price', name + ', ' + t('price per kWh'),
						{kind: 'money'})]),
					!readonly && d.rates.length < 8 && act('add a rate', redo(() => d.rates.push({name: '', price: ''}))),
					h('h2', T('periods of the day')), dayBand(d),
					rows(d.periods, 1, 'from', (p, name) => [bare(p, 'from', name, {kind: 'int', placeholder: '07:00', most: 5}),
						bare(p, 'rate', name + ', ' + t('rate'), {kind: 'select', onchange: redo(() => 0),
							options: d.rates.map((r, k) => [String(k), r.name || String(k + 1)])})]),
					!readonly && d.periods.length < 24 && act('add a period', redo(() => d.periods.push({from: '', rate: '0'}))),
					h('div.fields', bound('offset', 'local time less UTC', '', {hint: t('offset_hint')}))),
			h('fieldset', h('div.fields', bound('service', 'service per kWh', 'money'), bound('start', 'start_fee', 'money'),
				bound('currency', 'currency', '', {most: 3}), bound('quantum', 'rounded to', 'money'),
				bound('rounding', 'rounding', 'select', {options: ['half_up', 'up', 'down'].map((r) => [r, t(r)])}))),
			!readonly && h('p', submitButton('save'))),
		h('aside.pane.stick', {'aria-label': T('preview of a bill')}, h('h2', T('preview of a bill')), h('div.fields',
			bound('power', 'load, kW', 'money', {readonly: false}), bound('hours', 'for hours', 'money', {readonly: false})),
		bound('at', 'from', 'datetime-local', {readonly: false}),
		view.wrong ? h('p.alert', {role: 'alert'}, view.wrong) : billView(view.bill)))];
}

function submitButton(key) {
	const button = h('button.main', T(key));
	button.setAttribute('type', 'submit');
	return button;
}

function billView(bill) {
	return bill ? [table(T('preview of a bill'), [
		['', (l) => T(l.kind === 'start' ? 'start_fee' : l.kind) + (l.rate ? ' ' + l.rate : '')],
		['kWh', (l) => l.kind !== 'start' && kwh(l.quantity), 'n'],
		[t('price'), (l) => decimal(l.price_micros), 'n'],
		[t('amount'), (l) => decimal(l.amount_micros), 'n'],
	], bill.lines, {lines: true, empty: '', foot: [T('total'), kwh(bill.energy_mwh), '', money(bill.total_micros, bill.currency)]}),
	h('p', h('small', t('Calculated by the server, by the rule that bills.')))] : h('p.soft', t('Loading …'));
}

/* The day as a band, darker where it costs more. */
function dayBand(d) {
	const [{periods, rates}, wrong] = tariffOf(d);
	const most = Math.max(1, ...rates.map((r) => r.price_micros));
	return !wrong && s('svg', {viewBox: '0 0 480 40', class: 'day', 'aria-hidden': 'true'}, periods.map((p, i) => {
		const end = i + 1 < periods.length ? periods[i + 1].from_min : 1440;
		return [s('rect', {class: 'band', x: p.from_min / 3, y: 2, width: (end - p.from_min) / 3, height: 22, 'fill-opacity':
			(0.15 + 0.85 * rates[p.rate].price_micros / most).toFixed(2)}), s('text', {x: p.from_min / 3, y: 36}, hourMinute(p.from_min))];
	}));
}

/* Saves a new version unless somebody else was faster: then view.conflict says so, and what was typed stays. */
async function saveVersion(view, name, put, body, newest) {
	try {
		const {version} = await api('PUT', put, {replaces: view.replaces, ...body});
		view.replaces = version;
		say(t('saved', name + ', ' + t('version_n', version)));
	} catch (error) {
		view.conflict = error.code === 'conflict' && await newest();
		if (!view.conflict)
			throw error;
	}
	render();
}

function conflictNote(view) {
	const newest = view.conflict;
	return newest && h('div.alert', {role: 'alert'}, h('p', t('conflict_is', newest)), h('div.row',
		h('button', {onclick: () => go()}, T('theirs', newest)), h('button', {onclick: () => {
			Object.assign(view, {replaces: newest, conflict: 0});
			render();
		}}, T('mine', newest + 1))));
}

function saveTariff(view) {
	const id = view.draft.id.trim();
	const [tariff, wrong] = tariffOf(view.draft);
	if (wrong || !asciiWord(id, 32)) {
		say(wrong || named(t('id'), t('v_ascii', 32)));
		return;
	}
	ask({title: t('tariff?', id, view.replaces + 1), lines: [t('tariff!'), view.bill && t('tariff_sum',
		money(view.bill.total_micros, tariff.currency), kwh(view.bill.energy_mwh))], ok: T('save'),
	run: () => saveVersion(view, id, path('tariffs', id), {tariff}, async () =>
		((await api('GET', 'tariffs')).tariffs.find((f) => f.id === id) || {}).version)});
}

// --- outlets for sale ---
async function loadPlaces() {
	const all = [];
	for (let after = ''; after !== null;) {
		const {outlets, next} = await api('GET', 'outlets' + after);
		all.push(...outlets);
		after = next ? '?after=' + encodeURIComponent(next) : null;
	}
	S.places = all;
}

function placesView() {
	const rows = find(S.places, (S.view.filter || '').toLowerCase(), (p) => [p.code, p.label, p.box, p.tariff]);
	return [head(T('places'), filterBox(S.view), h('span.row.end', h('a.button', {href: '#labels'}, T('all labels')),
		can('manager') && h('a.button', {href: '#place'}, T('offer an outlet')))), table(T('places'), [
		[t('code'), (p) => (can('manager') ? link(p.code, 'place', p.code) : h('code', p.code))],
		[t('label'), (p) => p.label],
		[t('outlet'), (p) => [link(p.box, 'box', p.box), ' · ' + p.outlet]],
		[t('tariff'), (p) => link(p.tariff, 'tariff', p.tariff)],
		[t('mode'), (p) => t(p.mode || 'local')],
		['', (p) => [link(t('QR code'), 'labels', p.code), ' ', can('manager') && act('remove', () => ask({
			title: t('drop_place?', p.code), lines: [p.label, t('drop_place!')], ok: T('remove'), danger: true, run: async () => {
				await api('DELETE', path('outlets', p.code));
				say(t('removed', p.code));
				S.places = S.places.filter((x) => x !== p);
				render();
			}}))], 'acts'],
	], rows, {key: (p) => p.code})];
}

async function loadPlace(code, view) {
	await Promise.all([loadPlaces(), loadTariffs()]);
	const p = S.places.find((x) => x.code === code);
	if (code && !p)
		throw new Refused('not_found', code);
	view.known = !!p;
	const g = {box: [...S.boxes.keys()].sort()[0], outlet: 1, tariff: (S.tariffs[0] || {}).id, label: '', mode: 'local', hold_ms: 600000,
		lease_ms: 600000, full_ma: 500, full_ms: 600000, code: '', ...p};
	view.draft = {...g, outlet: String(g.outlet), hold: plain(g.hold_ms / 60 * 1000), lease: plain(g.lease_ms / 60 * 1000),
		full_a: plain(g.full_ma * 1000), full_min: plain(g.full_ms / 60 * 1000)};
}

function placeView() {
	const view = S.view;
	const d = view.draft;
	const minutes = {kind: 'int', min: 1, max: 1440};
	const fields = [
		{name: 'code', label: t('code'), kind: 'word', most: 16, hint: t('code_hint'), readonly: view.known,
			check: (v) => (/^[A-Z0-9-]+$/.test(v) ? '' : t('v_code'))},
		{name: 'label', label: t('label'), hint: t('label_hint'), most: 40},
		{name: 'box', label: t('box'), kind: 'select', options: [...new Set([...S.boxes.keys(), d.box])].sort().map((b) => [b, b])},
		{name: 'outlet', label: t('outlet'), kind: 'int', min: 1, max: 16},
		{name: 'tariff', label: t('tariff'), kind: 'select', options: S.tariffs.map((f) => [f.id, f.id])},
		{name: 'mode', label: t('mode'), kind: 'select', options: ['local', 'remote'].map((m) => [m, t(m)])},
		{name: 'hold', label: t('hold before the start, min'), ...minutes},
		{name: 'lease', label: t('lease in remote mode, min'), ...minutes},
		{name: 'full_a', label: t('full below, A'), kind: 'money'},
		{name: 'full_min', label: t('… for minutes'), ...minutes},
	];
	return [head(view.known ? d.code : T('offer an outlet')), h('div.beside',
		h('form.pane', {novalidate: true, onsubmit: (e, form) => savePlace(readAll(form, fields, say), view.known)},
			h('div.fields', fields.map((f) => field({...f, value: d[f.name], oninput: (e) => d[f.name] = e.target.value}))),
			submitButton('save')), view.known && h('aside', labelCard(d), h('p', link(T('print'), 'labels', d.code))))];
}

/* known: it is this one that is changed. A new one may have the code of another, by now. */
async function savePlace(v, known) {
	if (!v)
		return;
	try {
		await loadPlaces();
	} catch (error) {
		say(error.text);
		return;
	}
	const other = !known && S.places.find((p) => p.code === v.code);
	const body = {box: v.box, outlet: v.outlet, tariff: v.tariff, label: v.label, mode: v.mode, hold_ms: v.hold * 60000,
		lease_ms: v.lease * 60000, full_ma: Math.trunc(v.full_a / 1000), full_ms: v.full_min * 60000};
	ask({title: t('place?', v.outlet, v.box, v.code), lines: [t('place!', v.tariff), other &&
		t('place_is!', v.code, other.outlet, other.box, other.label)], ok: T(other ? 'replace' : 'save'), danger: !!other, run: async () => {
		await api('PUT', path('outlets', v.code), body);
		say(t('saved', v.code));
		location.hash = '#places';
	}});
}

const labelCard = (p) => h('figure.label', {key: p.code}, h('b', p.label), h('img', {loading: 'lazy',
	src: '/v1/operator/' + path('outlets', p.code, 'qr'), alt: t('QR code') + ' ' + p.code}));

function labelsView(code) {
	return [h('div.noprint', head(T('labels'), act('print', () => print(), '.main'), link(T('places'), 'places'))),
		h('div.labels', S.places.filter((p) => !code || p.code === code).map(labelCard))];
}

// --- accounts ---
async function loadAccounts(arg, view) {
	const page = await api('GET', 'accounts' + (view.next ? '?after=' + encodeURIComponent(view.next) : ''));
	view.accounts = [...(view.accounts || []), ...page.accounts];
	view.next = page.next;
}

const balance = (a) => h('span', {class: a.balance_micros < 0 ? 'bad' : undefined}, money(a.balance_micros));

function accountsView() {
	const view = S.view;
	return [head(T('accounts'), filterBox(view), h('span.end', worker('check the books', async () => {
		view.books = await api('GET', 'check');
	}))), view.books && h(view.books.ok ? 'p.note' : 'p.alert', {role: 'status'}, view.books.ok ? t('The books add up.') :
		t('books_bad', view.books.why)), table(T('accounts'), [
		[t('account'), accountLink],
		[t('contact'), (a) => a.contact, 'wide'],
		[t('kind'), (a) => t(a.kind)],
		[t('balance'), balance, 'n'],
		[t('spendable'), (a) => money(a.spendable_micros), 'n'],
	], find(view.accounts, (view.filter || '').toLowerCase(), (a) => [a.account, a.contact]), {key: (a) => a.account}),
	view.next && worker('more', () => loadAccounts('', view))];
}

async function loadAccount(account, view) {
	const [a, page] = await Promise.all([api('GET', path('accounts', account)), api('GET', path('accounts', account, 'postings'))]);
	Object.assign(view, {account: a, postings: page.postings, next: page.next});
}

function bookName(book) {
	const [kind, ...rest] = book.split(':');
	return kind === 'held' ? t('held_on', ...rest) : kind === 'customer' ? rest.join(':') : t(kind);
}

/* A key is printable ASCII: other reasons travel as base64url of their UTF-8, and are shown as they were typed. */
function keyOf(reason, id) {
	const bytes = String.fromCharCode(...new TextEncoder().encode(reason));
	return 'desk-' + id + (asciiWord(reason, 128) ? ' ' + reason :
		' =' + btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
}

function keyText(text) {
	return text.replace(/(desk-[0-9a-f]{8} )=([\w-]+)/, (all, start, code) => {
		try {
			const bytes = atob(code.replaceAll('-', '+').replaceAll('_', '/'));
			return start + new TextDecoder('utf-8', {fatal: true}).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
		} catch {
			return all; // somebody else's
		}
	});
}

function move(kind) {
	const view = S.view;
	const a = view.account;
	const id = [...crypto.getRandomValues(new Uint8Array(4))].map((b) => b.toString(16).padStart(2, '0')).join('');
	ask({title: t(kind + '?', a.account), lines: [t(kind + '!', a.account, money(a.balance_micros)), a.contact], ok: T(kind),
		danger: kind === 'refund', fields: [
			{name: 'micros', label: t('amount') + (S.currency && ', ' + S.currency), kind: 'money',
				check: (v) => (kind === 'refund' && v > a.balance_micros ? t('v_refund') : '')},
			{name: 'reason', label: t('reason'), hint: t('reason_hint'), check: (v) => (keyOf(v, id).length > 128 ? t('v_long') : '')},
			{name: 'sure', label: t(kind + '_sure'), kind: 'checkbox'}],
		run: async ({micros, reason}) => {
			const after = await api('POST', path('accounts', a.account, kind + 's'), {micros, key: keyOf(reason, id)});
			say(t('booked', money(micros), a.account, money(after.balance_micros)));
			await loadAccount(a.account, view).catch(() => view.account = {...a, ...after});
			render();
		}});
}

function accountView() {
	const view = S.view;
	const a = view.account;
	return [head(a.account, a.contact && h('span.soft', a.contact), can('manager') && h('span.row.end',
		act('recharge', () => move('recharge'), '.main'), act('refund', () => move('refund'), '.danger'))),
	h('div.pane', facts([['balance', balance(a)], ['spendable', money(a.spendable_micros)], ['kind', t(a.kind)],
		['may go below 0 by', a.kind === 'bound' && money(a.limit_micros)]], 2)),
	section('postings', table(T('postings'), [
		['#', (p) => String(p.number), 'n'],
		[t('from'), (p) => bookName(p.from)],
		[t('to'), (p) => bookName(p.to)],
		[t('amount'), (p) => money(p.micros), 'n'],
		[t('order'), (p) => p.order && shortOrder(p.order)],
		[t('key'), (p) => h('span.mono.soft', keyText(p.key || '')), 'wide'],
	], view.postings, {key: (p) => p.number}), view.next && worker('older', async () => {
		const page = await api('GET', path('accounts', a.account, 'postings') + '?before=' + encodeURIComponent(view.next));
		view.postings.push(...page.postings);
		view.next = page.next;
	}))];
}

// --- agreement, staff, acts, messages ---
async function loadAgreement(arg, view) {
	const {version, en, zh} = await api('GET', 'agreement');
	Object.assign(view, {draft: {en, zh}, replaces: version});
}

function agreementView() {
	const view = S.view;
	const d = view.draft;
	const title = head(T('agreement'), h('span.soft', t('version_n', view.replaces)));
	const texts = [['en', 'en', 'English text'], ['zh', 'zh-CN', 'Chinese text']];
	if (!can('manager'))
		return [title, h('div.beside', texts.map(([name, code]) => h('div.pane.text', {lang: code}, d[name])))];
	return [title, h('form.pane', {onsubmit: () => ask({title: t('agreement?', view.replaces + 1), lines: [t('agreement!')], ok: T('save'),
		run: () => saveVersion(view, T('agreement'), 'agreement', d, async () => (await api('GET', 'agreement')).version)})},
	conflictNote(view), texts.map(([name, code, label]) => field({name, label: t(label), kind: 'area', lang: code, value: d[name],
		oninput: (e) => d[name] = e.target.value})), submitButton('save'))];
}

async function loadStaff(arg, view) {
	view.staff = (await api('GET', 'staff')).staff;
}

function staffView() {
	const view = S.view;
	const again = async (text) => {
		say(text);
		await loadStaff('', view);
		render();
	};
	const put = (m) => ask({title: m ? m.name : T('new member of staff'), ok: T('save'), fields: [
		...(m ? [] : [{name: 'name', label: t('name'), kind: 'word', most: 40}]),
		{name: 'role', label: t('role'), kind: 'select', options: ROLES.map((r) => [r, t(r)]), value: m ? m.role : 'operator'},
		{name: 'password', label: t('password'), kind: 'password', auto: 'new-password', hint: t('pw_hint'), most: 128}],
	run: async ({name = m && m.name, role, password}) => {
		await api('PUT', path('staff', name), {role, password});
		await again(t('saved', name));
	}});
	return [head(T('staff'), h('span.end', act('new member of staff', () => put(null)))), table(T('staff'), [
		[t('name'), (m) => m.name],
		[t('role'), (m) => t(m.role)],
		['', (m) => [act('change', () => put(m)), ' ', act('remove', () => ask({title: t('staff?', m.name), lines: [t('staff!')],
			ok: T('remove'), danger: true, run: async () => {
				await api('DELETE', path('staff', m.name));
				await again(t('removed', m.name));
			}}), '.danger')], 'acts'],
	], view.staff, {key: (m) => m.name})];
}

async function loadActs(arg, view) {
	const last = view.acts && view.acts[view.acts.length - 1];
	const {acts} = await api('GET', 'acts' + (last ? '?before=' + last.number : ''));
	view.acts = [...(view.acts || []), ...acts];
	view.end = acts.length < 100;
}

function actsView() {
	const view = S.view;
	return [head(T('acts'), filterBox(view)), table(T('acts'), [
		[t('time'), (a) => when(a.time), 'w'],
		[t('who'), (a) => a.who],
		[t('what'), (a) => t(a.what)],
		[t('subject'), (a) => a.subject],
		[t('detail'), (a) => keyText(a.detail || ''), 'wide'],
	], find(view.acts, (view.filter || '').toLowerCase(), (a) => [a.who, a.what, t(a.what), a.subject, a.detail]),
	{key: (a) => a.number}), !view.end && worker('older', () => loadActs('', view))];
}

async function loadMessages(arg, view) {
	view.messages = (await api('GET', 'messages')).messages;
	setTimeout(async () => {
		if (S.view === view && S.me) {
			await loadMessages('', view).catch(() => null);
			render();
		}
	}, 5000);
}

function messagesView() {
	return [head(T('messages')), h('p.note', t('msg_note')), table(T('messages'), [
		[t('time'), (m) => when(m.time), 'w'],
		[t('contact'), (m) => m.contact],
		[t('text'), (m) => m.text, 'wide'],
	], S.view.messages)];
}

// --- views by #hash ---
/* of: the view in the navigation that it belongs to; rule: a line above it there. load(argument, view) first. */
const VIEWS = {
	boxes: {view: boxesView},
	sessions: {view: sessionsView},
	alarms: {view: alarmsView},
	tariffs: {view: tariffsView, load: loadTariffs, rule: true},
	places: {view: placesView, load: loadPlaces},
	accounts: {view: accountsView, load: loadAccounts},
	agreement: {view: agreementView, load: loadAgreement},
	acts: {view: actsView, load: loadActs, rule: true},
	staff: {view: staffView, load: loadStaff, role: 'manager'},
	messages: {view: messagesView, load: loadMessages, role: 'manager'},
	box: {view: boxView, load: loadBox, of: 'boxes'},
	order: {view: orderView, load: async (number, view) => view.order = await api('GET', path('orders', number)), of: 'sessions'},
	tariff: {view: tariffView, load: loadTariff, of: 'tariffs'},
	place: {view: placeView, load: loadPlace, of: 'places', role: 'manager'},
	labels: {view: labelsView, load: loadPlaces, of: 'places'},
	account: {view: accountView, load: loadAccount, of: 'accounts'},
};

async function go() {
	const parts = location.hash.slice(1).split('/');
	const view = {route: Object.hasOwn(VIEWS, parts[0]) ? parts[0] : 'boxes', ready: false};
	const {load, role} = VIEWS[view.route];
	S.view = view;
	byId('main').replaceChildren();
	try {
		view.arg = decodeURIComponent(parts[1] || '');
		render();
		if (role && !can(role))
			throw new Refused('forbidden', '');
		if (load)
			await load(view.arg, view);
		view.ready = true;
	} catch (error) {
		view.failed = error.text || String(error);
	}
	if (S.view !== view)
		return;
	render();
	scrollTo(0, 0);
	document.querySelector('#nav [aria-current]').scrollIntoView({block: 'nearest', inline: 'center'});
	if (!byId('ask').open)
		document.querySelector('#main h1').focus();
}

let queued = 0;

/* Events come in bursts: they are drawn together. */
function later() {
	queued = queued || setTimeout(render, 400);
}

function render() {
	clearTimeout(queued);
	queued = 0;
	document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
	renderTop();
	if (!S.me) {
		document.title = T('sign_in') + ' · meterbox';
		show('main', S.asked && signInView());
		return;
	}
	const view = S.view;
	const title = view.arg || T(view.route);
	document.title = title + ' · meterbox';
	show('main', view.failed ? [head(title), h('p.alert', {role: 'alert'}, view.failed), act('try again', () => go())] :
		view.ready ? VIEWS[view.route].view(view.arg) : [head(title), h('p.soft', t('Loading …'))]);
}

function renderTop() {
	const time = stamp(stream.since).slice(-8);
	show('top', h('button.skip', {onclick: () => byId('main').focus()}, T('skip to the content')), h('span.brand', 'meterbox'),
		S.me && h(stream.live ? 'span.good' : 'span.bad', stream.live ? t('live') : t('dead', time)),
		S.me && h('span.soft', S.me.name + ' · ' + t(S.me.role)),
		h('button.plain', {lang: lang === 'zh' ? 'en' : 'zh-CN', 'aria-label': t('lang_name'), onclick: changeLanguage}, t('lang')),
		S.me && act('sign_out', signOut, '.plain'));
	const lost = byId('lost');
	const dead = !!S.me && !stream.live && Date.now() - stream.since > 4000;
	if (dead && lost.hidden)
		lost.textContent = t('lost', time);
	lost.hidden = !dead;
	document.body.className = S.me ? '' : 'out';
	const nav = byId('nav');
	nav.hidden = !S.me;
	nav.setAttribute('aria-label', T('views'));
	if (!S.me)
		return;
	const seen = Number(stored('meterbox-alarms') || 0);
	const fresh = S.alarms.filter((a) => a.number > seen && a.kind !== 'cleared').length;
	const bad = [...S.boxes.values()].filter((b) => troubles(b).length).length;
	const marks = {boxes: bad > 0 && h('b', {title: T('only troubled')}, bad), sessions: S.open.size > 0 && h('b.calm', S.open.size),
		alarms: fresh > 0 && h('b', {title: t('n_new', fresh)}, fresh)};
	const here = S.view.route && (VIEWS[S.view.route].of || S.view.route);
	show('nav', h('ul', Object.entries(VIEWS).filter(([, v]) => !v.of && (!v.role || can(v.role))).map(([name, v]) =>
		h(v.rule ? 'li.rule' : 'li', h('a', {href: '#' + name, 'aria-current': here === name ? 'page' : undefined}, T(name), marks[name])))));
}

function changeLanguage() {
	lang = lang === 'zh' ? 'en' : 'zh';
	stored('meterbox-lang', lang);
	S.boxes = new Map([...S.boxes].map(([name, b]) => [name, {...b}])); // every row is to be built again
	byId('lost').hidden = true;
	render();
}

// --- signing in and out ---
function signInView() {
	const submit = async (event, form) => {
		const {name, password} = form.elements;
		const wrong = form.querySelector('.alert');
		const empty = [name, password].find((input) => !input.value);
		if (empty) {
			empty.focus();
			return;
		}
		wrong.hidden = true;
		try {
			start(await api('POST', 'session', {name: name.value.trim(), password: password.value}));
		} catch (error) {
			wrong.textContent = error.text;
			wrong.hidden = false;
			password.select();
		}
	};
	return h('form.signin', {key: 'signin', novalidate: true, onsubmit: submit}, h('h1', T('sign_in')),
		field({name: 'name', label: t('name'), auto: 'username'}),
		field({name: 'password', label: t('password'), kind: 'password', auto: 'current-password'}),
		h('p.alert', {role: 'alert', hidden: true, key: 'wrong', ver: 'kept'}), submitButton('sign_in'));
}

function start(me) {
	forget(me);
	Object.assign(stream, {live: false, since: Date.now()});
	loadTariffs().then(later, () => null); // for the currency
	listen();
	go();
}

function signedOut() {
	hush();
	forget(null);
	byId('ask').close();
	byId('main').replaceChildren();
	S.asked = true;
	render();
	document.querySelector('#main input').focus();
}

async function signOut() {
	try {
		await api('DELETE', 'session');
		signedOut();
	} catch (error) {
		if (error.status === 401)
			signedOut();
		else
			say(error.text);
	}
}

addEventListener('hashchange', () => S.me && go());
WIDE.addEventListener('change', () => S.me && render());
setInterval(() => {
	for (const time of document.querySelectorAll('time[data-ago]'))
		time.textContent = ago(time.dateTime);
	if (S.me && !stream.live)
		renderTop();
}, 5000);

/* The chart of today grows while it is looked at. */
setInterval(() => {
	const {chart, arg} = S.view;
	if (S.me && chart && !chart.back && !document.hidden)
		loadChart(S.view, arg);
}, 60000);

forget(null);
api('GET', 'session').then(start, (error) => {
	signedOut();
	if (error.status !== 401)
		say(error.text);
});
