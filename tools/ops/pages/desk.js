/* tools/ops/pages/desk.js: the operator's page. It speaks /v1/operator of etc/ops-api.yaml with the cookie of its
 * sign-in, and keeps nothing but the language and how far the alarms were read.
 *
 * Every view is a function of what was loaded (S) that builds its elements anew; morph() carries the difference into the
 * page, so that focus, scrolling and what is being typed stay. What came from outside only ever becomes a text node or an
 * attribute. Money and energy are integers; they become decimals as text, digit by digit. */
'use strict';

// --- words: key|English|Chinese ---
const WORDS = `
brand|meterbox · operations|meterbox · 运营台
lang|中文|English
lang_name|切换到中文|Switch to English
skip|Skip to the content|跳到正文
nav|Views|视图
live|● live|● 实时
dead|▲ no connection since {0}|▲ 自 {0} 起连接中断
lost|No connection to the server since {0}. What you see is as it was then.|自 {0} 起与服务器失去连接，页面显示的是当时的状态。
again|Connected again.|连接已恢复。
sign_in|Sign in|登录
sign_out|Sign out|退出
name|Name|姓名
password|Password|密码
boxes|Boxes|电箱
box|Box|电箱
sessions|Sessions|用电中
alarms|Alarms|告警
tariffs|Tariffs|电价
places|Outlets for sale|在售插座
accounts|Accounts|账户
agreement|Agreement|用户协议
staff|Staff|人员
acts|Acts|操作记录
messages|Messages|短信
labels|Labels|二维码标签
order|Order|订单
account|Account|账户
tariff|Tariff|电价
place|Outlet for sale|在售插座
loading|Loading …|加载中…
retry|Try again|重试
more|Older|更早
next|More|更多
none|Nothing here.|暂无内容。
none_found|Nothing matches the filter.|没有符合筛选条件的内容。
not_yours|Your role does not show this.|您的角色无权查看此页。
filter|Filter|筛选
filter_boxes|Filter: box, label, code, order|筛选：电箱、名称、编码、订单
troubled|Only troubled|仅看异常
all_well|No box is troubled.|没有异常电箱。
no_boxes|No box is known yet.|尚未登记电箱。
t_boxes|boxes|台电箱
t_lost|without link|离线
t_fault|outlets with a fault|路故障
t_supply|supplying|路供电中
t_power|kW now|kW 当前功率
t_queue|records waiting|条记录待传
link|Link|通信
linked|online|在线
no_link|offline|离线
no_link_t|Offline, last heard {0}|离线，最后通信：{0}
never|not since the server started|服务器启动后未通信
heard|Last heard|最后通信
queue|Queue|待传记录
queue_t|{0} records wait on the box|箱内积压 {0} 条记录
undecided|Undecided|待执行命令
undecided_h|Commands that the box has not decided|电箱尚未执行的命令
outlets|Outlets|插座
outlet|Outlet|插座
outlet_n|Outlet {0}|{0} 号插座
no_outlets|has not reported|尚未上报
ledger|Ledger|账本
accepted|Records taken in|已收记录
unknown|unknown|未知
power|Power|功率
energy|Energy|电量
cost|Cost|费用
duration|Time|时长
remaining|Left|剩余
session|Session|订单
reserved_for|Reserved for|预约账户
state|State|状态
fault|Fault|故障
register|Register|电表示数
reading_age|Reading|读数时间
missing_h|Missing before it is ready|就绪前还缺
low_credit|credit is nearly used up|余额即将用尽
read_ago|{0} before the report|上报前 {0}
unlock|Unlock|开锁
power_off|Power off|断电
clear|Clear fault|清除故障
reserve|Reserve|预约
release|Release|取消预约
oos|Out of service|停用
back|Back in service|恢复使用
departed|Plug is out|插头已拔
no_offer|Nobody has reported this outlet.|该插座未上报。
why_supply|It is supplying: power off first.|正在供电，请先断电。
why_welded|The breaker is welded and the socket may be live: it stays locked until a technician is on site.|断路器触点粘连，插座可能带电：须维修人员到场，在此之前保持锁闭。
why_session|No session is running.|当前没有订单。
why_tech|Only a technician on site may clear this fault.|此故障只能由维修人员到场清除。
why_busy|The outlet is in use or not available.|插座正在使用或不可用。
may_clear|May be cleared by: {0}.|可清除者：{0}。
ask_unlock|Unlock the door of {0}?|打开 {0} 的箱门锁？
ask_unlock_t|The lock of the customer's door is pulsed once, now. Whoever stands there can open it and reach the socket.|用户仓门锁将立即动作一次，现场人员可以开门接触插座。
ask_off|Switch off {0}?|切断 {0} 的供电？
ask_off_t|The breaker opens and session {0} ends for good; it is billed up to the register's last reading. It cannot be resumed.|断路器分闸，订单 {0} 随即结束且不能恢复，按电表最终示数结算。
ask_clear|Clear the fault of {0}?|清除 {0} 的故障？
ask_clear_t|Fault: {0}. Clearing closes no breaker; the box refuses it while the cause is still there.|故障：{0}。清除故障不会合闸；原因未消除时电箱会拒绝。
ask_reserve|Reserve {0}|预约 {0}
ask_reserve_t|Until then no other account can use it.|期间其他账户不能使用该插座。
ask_release|End the reservation of {0}?|取消 {0} 的预约？
ask_release_t|It is reserved for {0}.|预约账户：{0}。
ask_oos|Take {0} out of service?|停用 {0}？
ask_oos_t|Nobody can use it until it is put back.|恢复之前任何人都不能使用。
ask_oos_s|The running session {0} is ended and billed.|正在进行的订单 {0} 将被结束并结算。
ask_back|Put {0} back in service?|恢复使用 {0}？
ask_back_t|Customers can use it again at once.|用户可立即使用。
ask_departed|Set {0} free?|将 {0} 置为空闲？
ask_departed_t|Only when the plug of order {0} is out: the next customer gets this socket.|请确认订单 {0} 的插头已拔出：该插座将提供给下一位用户。
minutes|For how long, in minutes|时长（分钟）
cancel|Cancel|取消
close|Close|关闭
cmd_sent|{0}: sent to {1}; waiting for its answer.|{0}：已发往 {1}，等待执行结果。
cmd_end|{0}, {1}: {2}|{0}，{1}：{2}
cmd_late|no answer yet. The box will decide it when it has a link; undecided commands are counted above.|暂无结果。电箱恢复通信后会处理；待执行命令数见上方。
cmd_wait|waiting for the box|等待电箱执行
o.done|done|已执行
o.refused|refused|被拒绝
o.expired|expired on the way|已过期
o.out_of_order|out of order|次序错误
o.unverified|signature not accepted|签名未通过
o.foreign|for another box|不属于本箱
o.no_clock|the box does not know the time|电箱时钟未知
chart|Energy and load|电量与负荷
day|Day|日
week|Week|周
month|Month|月
earlier|Earlier|往前
later|Later|往后
all_outlets|All outlets|全部插座
ch_energy|Energy, kWh|电量（kWh）
ch_load|Load, kW (mean of {0} min)|负荷（kW，{0} 分钟平均）
ch_sum|{0} to {1}: {2} kWh, highest load {3} kW|{0} 至 {1}：{2} kWh，最高负荷 {3} kW
ch_at|{0} kW at {1}|{0} kW，{1}
ch_table|As a table|表格
ch_from|From|起
ch_mean|Mean kW|平均 kW
ch_peak|Highest kW|最高 kW
total|Total|合计
recent_orders|Recent orders|最近订单
recent_alarms|Recent alarms|最近告警
time|Time|时间
made|Made|下单时间
held|Held|冻结
billed|Billed|应收
captured|Captured|实收
written_off|Written off|核销
no_sessions|No session is running.|当前没有进行中的订单。
sum_n|{0} sessions|{0} 个订单
mode|Mode|计费方式
until|Until|结束条件
limit|Limit|限值
reason|Reason|原因
start_reg|Start register|起始示数
end_reg|End register|终止示数
settled|Final register|终止示数状态
settled_y|read after the breaker opened|分闸后抄读
settled_n|last remembered one|最后记录值
flags|Remarks|备注
price_differs|box and server priced it differently; the lower was billed|箱端与服务器计价不一致，按较低者结算
ledger_lost|closed because the box came back with a new ledger|电箱更换账本，已由服务器结算
yes|yes|是
no|no|否
kind|Kind|类型
what|What|内容
detail|Detail|说明
server_wide|–|–
unread|{0} new|{0} 条新告警
new_alarm|Alarm, {0}: {1}|告警，{0}：{1}
edit|Edit|修改
view|View|查看
remove|Remove|删除
save|Save …|保存…
new_tariff|New tariff|新建电价
flat|Same at any time|单一电价
by_time|By time of day|分时电价
price|Price per kWh|每 kWh 电价
service|Service per kWh|每 kWh 服务费
start_fee|Start fee|启动费
currency|Currency|货币
quantum|Bills are rounded to|账单取整单位
rounding|Rounding|取整方式
r.down|down|舍去
r.half_up|half up|四舍五入
r.up|up|进位
version|Version|版本
version_n|version {0}|版本 {0}
tariff_id|Id|编号
id_hint|Letters, digits and signs, 32 at most. It stays.|字母、数字与符号，最多 32 个，保存后不可更改。
rates|Rates|费率
rate|Rate|费率
rate_hint|As receipts write it, in Latin letters: peak, valley|印在账单上的名称，用拉丁字母：peak、valley
periods|Periods of the day|时段
from|From|起始
add_rate|Add a rate|增加费率
add_period|Add a period|增加时段
offset|Local time less UTC|与 UTC 的时差
offset_hint|One for the whole year; daylight saving time needs another tariff.|全年固定；夏令时需另建电价。
preview|Preview of a bill|账单预览
pv_power|Load, kW|负荷（kW）
pv_from|From|开始时间
pv_hours|For hours|时长（小时）
pv_wait|Calculating …|计算中…
pv_by|Calculated by the server, by the rule that bills.|由服务器按结算规则计算。
quantity|Quantity|数量
amount|Amount|金额
l.energy|Energy|电费
l.service|Service|服务费
l.start|Start fee|启动费
ask_tariff|Save {0} as version {1}?|将 {0} 保存为版本 {1}？
ask_tariff_t|New orders are charged by it from now on. Running sessions keep the version that they began with.|此后的新订单按此版本计费，进行中的订单仍按原版本。
ask_tariff_s|Preview: {0} for {1} kWh.|预览：{1} kWh 计 {0}。
conflict|Somebody else has saved version {0} meanwhile. What you typed is still here, and nothing was saved.|其间他人已保存版本 {0}。您的修改仍保留在此，尚未保存。
c_theirs|Show version {0}, drop mine|载入版本 {0}，放弃我的修改
c_mine|Keep mine, to become version {0}|保留我的修改，作为版本 {0}
saved|Saved: {0}, version {1}.|已保存：{0}，版本 {1}。
saved_1|Saved: {0}.|已保存：{0}。
removed|Removed: {0}.|已删除：{0}。
new_place|Offer an outlet|上架插座
code|Code|编码
code_hint|A–Z, 0–9 and hyphens, 16 at most; stands in the QR code. It stays.|A–Z、0–9 与连字符，最多 16 个；写入二维码，保存后不可更改。
label|Label|名称
label_hint|What customers read: Car park B2, left|用户看到的名称：B2 停车场左侧
m.local|local: the box prices|本地：电箱计费
m.remote|remote: the server prices|远程：服务器计费
hold|Hold before the start, min|启动前保留（分钟）
lease|Lease in remote mode, min|远程授权时长（分钟）
full_a|Full below, A|充满判定电流（A）
full_min|… for minutes|持续时间（分钟）
ask_place|Offer outlet {0} of {1} as {2}?|将 {1} 的 {0} 号插座以 {2} 上架？
ask_place_t|Customers who scan the code are charged by tariff {0}.|扫码用户按电价 {0} 计费。
ask_drop_place|Take {0} off sale?|下架 {0}？
ask_drop_place_t|Its QR code leads nowhere then. A running session goes on.|其二维码随之失效，进行中的订单不受影响。
qr|QR code|二维码
qr_of|QR code of {0}|{0} 的二维码
print|Print|打印
print_all|All labels|全部标签
balance|Balance|余额
spendable|Spendable|可用
contact|Contact|联系方式
k.bound|bound|绑定户号
k.shared|shared|共享账户
k.none|–|–
overdraft|May go below 0 by|透支限额
recharge|Recharge …|充值…
refund|Refund …|退款…
ask_recharge|Recharge {0}|给 {0} 充值
ask_refund|Refund {0}|给 {0} 退款
ask_recharge_t|Books money that the customer has paid in: cash → {0}.|登记用户已付款项：现金 → {0}。
ask_refund_t|Books money that goes back to the customer: {0} → cash. At most the balance, {1}.|登记退还用户的款项：{0} → 现金，不超过余额 {1}。
reason_hint|Stands in the posting's key for good.|将永久写入该笔分录的凭证号。
really_recharge|Yes, book this amount as paid in|确认已收到该款项
really_refund|Yes, book this amount as paid back|确认已退还该款项
booked|Booked: {0} for {1}. Balance {2}.|已入账：{1} {0}，余额 {2}。
postings|Postings|分录
book_from|From|借出
book_to|To|转入
key|Key|凭证号
b.cash|cash|现金
b.revenue|revenue|收入
b.writeoff|write-off|核销
b.customer|{0}|{0}
b.held|held on {0}, {1}|冻结于 {0}，{1}
check_books|Check the books|核对账目
books_ok|The books add up.|账目平衡。
books_bad|The books do not add up: {0}|账目不平：{0}
find_account|Open account|打开账户
new_account|New account|新建账户
text_en|English text|英文文本
text_zh|Chinese text|中文文本
ask_agreement|Publish version {0} of the agreement?|发布协议版本 {0}？
ask_agreement_t|Every customer must accept it before the next order.|用户下单前须重新同意。
role|Role|角色
role.viewer|viewer: sees|查看员：查看
role.operator|operator: acts on outlets|运营员：操作插座
role.manager|manager: tariffs, money, staff|管理员：电价、资金、人员
rs.viewer|viewer|查看员
rs.operator|operator|运营员
rs.manager|manager|管理员
new_staff|New member of staff|新增人员
change|Change …|修改…
pw_hint|At least 10 characters. All sessions of this name end.|至少 10 个字符。该人员的所有登录将失效。
ask_drop_staff|Remove {0}?|删除 {0}？
ask_drop_staff_t|All sessions of this name end at once.|该人员的所有登录立即失效。
who|Who|操作人
subject|Subject|对象
msg_note|Only for a workshop: the last 50 messages that the embedded provider would have sent. They hold sign-in codes.|仅供调试：内置通道本应发出的最近 50 条短信，含登录验证码。
text|Text|内容
new_box|Register a box|登记电箱
box_known|This box is known already.|该电箱已登记。
token_t|Its token, shown only now. Put it into the box's configuration, [server] token.|令牌仅显示这一次，请写入电箱配置的 [server] token。
ago_s|{0} s ago|{0} 秒前
ago_m|{0} min ago|{0} 分钟前
ago_h|{0} h ago|{0} 小时前
ago_d|{0} d ago|{0} 天前
v_need|Please fill this in.|请填写。
v_money|An amount such as 12.50, with a point, at most 6 decimals.|请输入金额，如 12.50，最多 6 位小数。
v_above0|More than 0.|须大于 0。
v_int|A whole number from {0} to {1}.|请输入 {0} 至 {1} 的整数。
v_ascii|Printable Latin letters, digits and signs without " and \\, at most {0}.|仅限不含 " 和 \\ 的拉丁字母、数字与符号，最多 {0} 个。
v_long|Too long.|过长。
v_time|A time from 00:00 to 23:45, as 07:30.|请输入 00:00 至 23:45 的时间，如 07:30。
v_first|The first period must begin at 00:00.|第一个时段须从 00:00 开始。
v_gap|Periods must be at least 15 minutes apart.|时段至少间隔 15 分钟。
v_unused|Every rate needs a period and its own name.|每个费率须有时段，且名称不得重复。
v_offset|An offset as +08:00.|请输入时差，如 +08:00。
v_code|A–Z, 0–9 and hyphens, 16 at most.|A–Z、0–9 与连字符，最多 16 个。
v_cur|Three capital letters, as CNY.|三个大写字母，如 CNY。
v_refund|More than the balance.|超过余额。
e.network|No answer from the server. It may or may not have been done: look before you repeat it.|服务器无应答。操作可能已执行也可能未执行，重复之前请先核实。
e.network_get|No answer from the server.|服务器无应答。
e.wrong_password|Name or password is wrong.|姓名或密码错误。
e.too_many|Too many attempts. Try again in {0} s.|尝试次数过多，请 {0} 秒后再试。
e.forbidden|Your role does not allow this.|您的角色无权进行此操作。
e.unauthorized|Please sign in again.|请重新登录。
e.not_found|There is no such thing.|未找到。
e.conflict|Not possible in the present state.|与当前状态冲突。
e.insufficient_funds|The account cannot pay this much.|账户余额不足。
e.unavailable|The server is busy; nothing was changed.|服务器繁忙，未作任何更改。
e.internal|The server failed; nothing was changed.|服务器出错，未作任何更改。
e.bad_request|The server does not accept this.|服务器不接受此内容。
s.available|available|空闲
s.reserved|reserved|已预约
s.unlocked|unlocked|已开锁
s.ready|ready|就绪
s.supplying|supplying|供电中
s.paused|paused|已暂停
s.ending|ending|结束中
s.finishing|finished, plug still in|已结束，待拔插头
s.faulted|fault|故障
s.out_of_service|out of service|停用
s.unknown|unknown|未知
f.none|none|无
f.will_not_close|breaker will not close|断路器拒合
f.tripped|breaker tripped|断路器跳闸
f.tamper|metering door opened without leave|计量仓非法开门
f.bypassed|energy flows with the breaker open|分闸后仍走字（疑似旁路）
f.welded|breaker welded|断路器触点粘连
fh.will_not_close|It was told to close and its contact never did. An operator may clear it; if it comes again, send somebody.|合闸命令后触点未闭合。运营员可清除；若再次出现，请派人检修。
fh.tripped|A protective device acted. The installation must be looked at on site.|保护装置动作，须到场检查线路。
fh.tamper|The metering box was opened without a work order. Look at it on site.|未经工单开启计量仓，须到场检查。
fh.bypassed|The register moves although the breaker is open: wiring past it, or a leak. On site only.|断路器已分闸而电表仍在走字：可能存在旁路接线或漏电，须到场处理。
fh.welded|Told to open, yet closed: the socket may be live. Cut the supply upstream; on site only.|分闸命令后仍闭合：插座可能带电。请断开上级电源，须到场处理。
x.metering_door|the metering box's door is open|计量仓门打开
x.user_door|the socket's door is open|用户仓门未关
x.meter|the meter does not answer|电能表无应答
x.plausible|the meter's reading is doubtful|电能表读数存疑
x.commissioned|not the commissioned meter|电能表与登记不符
x.breaker_open|the breaker has not reported that it is open|断路器未反馈分闸
x.no_fault|a fault|存在故障
x.storage|the box cannot store|电箱无法存储
x.credit|the credit is used up|额度已用尽
x.clock|the box does not know the time|电箱时钟未知
a.meter_silent|meter does not answer|电能表无应答
a.meter_implausible|meter's readings are implausible|电能表读数异常
a.meter_replaced|meter replaced|电能表被更换
a.ledger_set_aside|ledger damaged and set aside|账本损坏，已隔离
a.storage|the box cannot store|电箱存储异常
a.record_refused|server refused a record for good|记录被服务器拒收
a.insecure_commands|box takes unsigned commands|电箱接受未签名命令
a.tamper|metering door opened without leave|计量仓非法开门
a.price_differs|box and server priced differently|箱端与服务器计价不一致
a.grant_differs|box runs by another grant|箱端授权与下发不一致
a.written_off|written off: used beyond what was held|超出冻结额，已核销
a.ledger_lost|box came back with a new ledger|电箱更换账本
a.record_parked|record refused and set aside|记录被拒收，已隔离
a.parked|record refused and set aside|记录被拒收，已隔离
ak.alarm|alarm|告警
ak.fault|fault|故障
ak.cleared|cleared|已清除
ak.server|server|服务器
r_.customer|customer|用户结束
r_.credit_exhausted|credit used up|余额用尽
r_.limit_energy|energy limit|达到设定电量
r_.limit_time|time limit|达到设定时长
r_.limit_amount|amount limit|达到设定金额
r_.full|full|已充满
r_.idle|no load|空载超时
r_.not_started|not started in time|超时未启动
r_.door|door opened|箱门打开
r_.tamper|tamper|非法开门
r_.overload|overload|过载
r_.overvoltage|overvoltage|过压
r_.undervoltage|undervoltage|欠压
r_.phase_loss|phase loss|缺相
r_.overtemperature|overtemperature|过温
r_.leakage|leakage current|漏电
r_.tripped|breaker tripped|断路器跳闸
r_.emergency_stop|emergency stop|急停
r_.reverse_energy|reverse energy|反向电量
r_.box_limit|box's limit|超整箱限额
r_.meter_silent|meter silent (not billed)|电能表无应答（不计费）
r_.meter_implausible|meter implausible (not billed)|电能表读数异常（不计费）
r_.meter_replaced|meter replaced|电能表被更换
r_.breaker_fault|breaker fault (not billed)|断路器故障（不计费）
r_.storage|storage failed (not billed)|存储故障（不计费）
r_.clock|clock unknown (not billed)|时钟未知（不计费）
r_.lease_expired|server not heard for too long|与服务器失联超时
r_.power_lost|power lost|停电
r_.server|server|服务器结束
r_.operator|operator|运营人员结束
r_.technician|technician|维修人员结束
os.sent|on its way|下发中
os.open|open|进行中
os.done|done|已完成
os.cancelled|cancelled|已取消
u.energy|energy|按电量
u.time|time|按时长
u.amount|amount|按金额
u.full|full|充满为止
u.credit|credit|用完余额
w.server|server|服务器
w.customer|customer|用户
w.operator|operator|运营员
w.technician|technician on site|到场维修人员
c.authorize|authorize|授权
c.start|start|启动
c.stop|stop|停止
c.power_off|power off|断电
c.credit|credit|追加额度
c.unlock|unlock|开锁
c.reserve|reserve|预约
c.release|end reservation|取消预约
c.clear_fault|clear fault|清除故障
c.out_of_service|out of service|停用
c.back|back in service|恢复使用
c.service|service session|检修
c.departed|plug is out|插头已拔
d.the outlet is supplying: stop it first||正在供电，请先停止
d.the breaker is welded: a technician must come||断路器触点粘连，须维修人员到场
d.a technician on site must clear this fault||须维修人员到场清除
d.the cause of the fault is still there||故障原因仍存在
d.the outlet has no fault||插座无故障
d.the outlet has a fault||插座有故障
d.the outlet is in use||插座使用中
d.the outlet is reserved||插座已被预约
d.the outlet is not reserved||插座未被预约
d.the outlet is out of service||插座已停用
d.no such session on this outlet||该插座没有此订单
d.the session is ending||订单正在结束
d.the box has no such outlet||电箱没有该插座
`;
const TEXT = new Map(WORDS.trim().split('\n').map((line) => {
	const [key, en, zh] = line.split('|');
	return [key, {en, zh}];
}));
const MISSING = ['metering_door', 'user_door', 'meter', 'plausible', 'commissioned', 'breaker_open', 'no_fault', 'storage',
	'credit', 'clock'];
const MISSING_TROUBLE = 1 | 4 | 8 | 16 | 32 | 128;
const QUEUE_TROUBLE = 100; // records: a box that is online sends 500 at once
const ROLES = ['viewer', 'operator', 'manager'];

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

function t(key, ...args) {
	const words = TEXT.get(key);
	const text = words ? words[lang] || key : key;
	return text.replace(/\{(\d)\}/g, (all, i) => args[i]);
}

/* A word of a closed list; one that this page does not know stands as it came. */
function word(list, name) {
	return TEXT.has(list + name) ? t(list + name) : name;
}

// --- elements ---
function build(node, props, children) {
	node._on = {};
	for (const [name, value] of Object.entries(props || {})) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith('on'))
			node._on[name.slice(2)] = value;
		else if (name === 'key' || name === 'ver' || name === 'build')
			node['_' + name] = value;
		else if (name === 'value' || name === 'checked')
			node['_' + name] = value;
		else
			node.setAttribute(name, value === true ? '' : value);
	}
	add(node, children);
	// A select takes its value only once its options are there.
	if (node._value !== undefined)
		node.value = node._value;
	if (node._checked !== undefined)
		node.checked = node._checked;
	return node;
}

function add(node, children) {
	for (const child of children.flat(Infinity)) {
		if (child !== null && child !== undefined && child !== false && child !== '')
			node.append(child);
	}
}

function h(tag, props, ...children) {
	return build(document.createElement(tag), props, children);
}

function s(tag, props, ...children) {
	return build(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

/* Builds rows that were left for later because they may turn out to be unchanged. */
function finish(node) {
	for (const n of [node, ...node.querySelectorAll('tr')]) {
		if (n._build)
			add(n, [n._build()]);
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
		if (!b.hasAttribute(name) && !(name === 'open'))
			a.removeAttribute(name);
	}
	for (const {name, value} of b.attributes) {
		if (a.getAttribute(name) !== value)
			a.setAttribute(name, value);
	}
	morphChildren(a, [...b.childNodes]);
	if (b._value !== undefined && a._value !== b._value && (a !== document.activeElement || a.nodeName === 'SELECT'))
		a.value = b._value;
	if (b._checked !== undefined)
		a.checked = b._checked;
	a._value = b._value;
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
		let old = n._key !== undefined ? kept.get(n._key) : at;
		if (old && (old.nodeName !== n.nodeName || old._key !== n._key))
			old = null;
		if (!old) {
			a.insertBefore(n.nodeType === 1 ? finish(n) : n, at);
			continue;
		}
		if (old === at)
			at = at.nextSibling;
		else
			a.insertBefore(old, at);
		if (n.nodeType !== 1) {
			if (old.data !== n.data)
				old.data = n.data;
		} else {
			morph(old, n);
		}
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

function show(id, ...children) {
	const box = document.createElement('div');
	add(box, children);
	morphChildren(document.getElementById(id), [...box.childNodes]);
}

for (const type of ['click', 'input', 'change', 'submit']) {
	document.addEventListener(type, (event) => {
		for (let n = event.target; n; n = n.parentNode) {
			if (n._on && n._on[type]) {
				if (type === 'submit')
					event.preventDefault();
				n._on[type](event, n);
				return;
			}
		}
	});
}

// --- numbers and times as text ---
/* An integer of millionths as a decimal, cut (not rounded) to `most` places, zeros dropped down to `least`. */
function decimal(n, least = 2, most = 6) {
	const digits = String(Math.abs(n)).padStart(7, '0');
	const whole = digits.slice(0, -6).replace(/\B(?=(\d{3})+$)/g, ' ');
	let fraction = digits.slice(-6, most < 6 ? most - 6 : undefined);
	while (fraction.length > least && fraction.endsWith('0'))
		fraction = fraction.slice(0, -1);
	return (n < 0 ? '−' : '') + whole + (fraction ? '.' + fraction : '');
}

const kwh = (mwh) => decimal(mwh, 3, 3);
const kw = (mw) => decimal(Math.trunc(mw), 2, 2);

function money(micros, currency = S.currency, most = 6) {
	return decimal(micros, 2, most) + (currency ? ' ' + currency : '');
}

/* The integer of millionths that a decimal stands for, or null. */
function parsed(text) {
	const m = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(String(text).trim());
	return m ? Number(m[1] + (m[2] || '').padEnd(6, '0')) : null;
}

const plain = (micros) => decimal(micros, 0).replaceAll(' ', '');
const two = (n) => String(n).padStart(2, '0');

function clock(ms) {
	const all = Math.floor(ms / 1000);
	return Math.floor(all / 3600) + ':' + two(Math.floor(all / 60) % 60) + ':' + two(all % 60);
}

function stamp(time, seconds = true) {
	const d = new Date(time);
	const year = d.getFullYear() === new Date().getFullYear() ? '' : d.getFullYear() + '-';
	return year + two(d.getMonth() + 1) + '-' + two(d.getDate()) + ' ' + two(d.getHours()) + ':' + two(d.getMinutes()) +
		(seconds ? ':' + two(d.getSeconds()) : '');
}

function ago(time) {
	const past = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000));
	if (past < 60)
		return t('ago_s', past);
	if (past < 3600)
		return t('ago_m', Math.floor(past / 60));
	return past < 172800 ? t('ago_h', Math.floor(past / 3600)) : t('ago_d', Math.floor(past / 86400));
}

const when = (time) => (time ? h('time', {datetime: time}, stamp(time)) : '–');
/* Kept right by a timer of its own, so that rows need no new building for it. */
const since = (time) => (time ? h('time', {datetime: time, 'data-ago': '', title: stamp(time)}, ago(time)) : t('never'));

// --- the server ---
const S = {}; // what is known

function forget() {
	Object.assign(S, {me: null, boxes: new Map(), open: new Map(), recent: [], alarms: [], tariffs: [], places: [], sent: [],
		currency: '', view: {}});
}

class Refused extends Error {
	constructor(code, message, status, wait) {
		super(message);
		Object.assign(this, {code, status, wait});
	}

	get text() {
		if (this.code === 'too_many')
			return t('e.too_many', this.wait || 60);
		const own = TEXT.has('e.' + this.code) ? t('e.' + this.code) : '';
		const plainWord = ['network', 'network_get', 'wrong_password', 'unauthorized', 'forbidden'].includes(this.code);
		if (plainWord || !this.message)
			return own || this.code;
		return lang === 'en' || !own ? this.message : own + '（' + this.message + '）';
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
	const error = (data && data.error) || {code: 'internal', message: ''};
	throw new Refused(error.code, error.message, response.status, Number(response.headers.get('Retry-After')));
}

const at = (...parts) => parts.map(encodeURIComponent).join('/');
const can = (role) => S.me && ROLES.indexOf(S.me.role) >= ROLES.indexOf(role);

let saying = 0;
function say(text) {
	document.getElementById('say').textContent = text;
	clearTimeout(saying);
	saying = setTimeout(() => document.getElementById('say').textContent = '', 9000);
}

// --- the live stream ---
const stream = {source: null, live: false, since: Date.now(), timer: 0};

function listen() {
	hush();
	const source = new EventSource('/v1/operator/events');
	stream.source = source;
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
		chaseBox(box);
	});
	take('order', takeOrder);
	take('alarm', (alarm) => {
		if (S.alarms.some((a) => a.number === alarm.number))
			return;
		S.alarms.unshift(alarm);
		if (alarm.kind !== 'cleared')
			say(t('new_alarm', place(alarm.box, alarm.outlet), alarmWord(alarm)));
	});
}

function hush() {
	clearTimeout(stream.timer);
	if (stream.source)
		stream.source.close();
	stream.source = null;
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
	if (live && !document.getElementById('lost').hidden)
		say(t('again'));
	renderTop();
}

/* A link that died without a word is found by asking: comments of the stream are not shown to a page. */
setInterval(async () => {
	if (!S.me)
		return;
	try {
		const response = await fetch('/v1/health', {signal: AbortSignal.timeout(10000), cache: 'no-store'});
		if (!response.ok)
			throw new Error();
		if (stream.live)
			stream.since = Date.now();
	} catch {
		if (stream.live) {
			connected(false);
			listen();
		}
	}
}, 20000);

/* What the stream does not tell again, after it was away. */
async function refresh() {
	try {
		const [boxes, open, alarms] = await Promise.all([api('GET', 'boxes'), pages('orders?open=1', 'orders', 20),
			api('GET', 'alarms')]);
		S.boxes = new Map(boxes.boxes.map((b) => [b.box, b]));
		S.open = new Map(open.map((o) => [o.order, o]));
		S.alarms = alarms.alarms;
		render();
	} catch (error) {
		if (S.me)
			say(error.text || String(error));
	}
}

/* All pages of a list, `most` of them at the utmost. */
async function pages(path, name, most, until) {
	const all = [];
	for (let next = null, i = 0; i < most && (i === 0 || next); i++) {
		const page = await api('GET', path + (next ? '&before=' + encodeURIComponent(next) : ''));
		all.push(...page[name]);
		next = page.next;
		if (until && until(all))
			break;
	}
	return all;
}

function takeOrder(order) {
	if (order.state === 'sent' || order.state === 'open')
		S.open.set(order.order, order);
	else
		S.open.delete(order.order);
	const i = S.recent.findIndex((o) => o.order === order.order);
	if (i >= 0)
		S.recent[i] = order;
	else
		S.recent.unshift(order);
	if (S.view.order && S.view.order.order === order.order)
		S.view.order = order;
}

// --- commands and what became of them ---
async function command(box, outlet, type, more, name) {
	const status = S.boxes.get(box);
	const from = status ? status.accepted_through + 1 : 1;
	const {id} = await api('POST', at('boxes', box, 'commands'), {type, outlet, ...more});
	const sent = {id, box, outlet, name: name || type, from, ledger: status && status.ledger, outcome: '', at: Date.now()};
	S.sent.unshift(sent);
	S.sent.length = Math.min(S.sent.length, 100);
	say(t('cmd_sent', t('c.' + sent.name), place(box, outlet)));
	render();
	sent.timer = setInterval(() => chase(sent), 4000);
}

function chaseBox(box) {
	for (const sent of S.sent) {
		if (sent.box === box.box && !sent.outcome && box.accepted_through >= sent.from)
			chase(sent);
	}
}

/* Looks for the record that decides the command: the box's own word, not the server's guess. */
async function chase(sent) {
	if (sent.busy || sent.outcome || !S.me) {
		if (!S.me)
			clearInterval(sent.timer);
		return;
	}
	sent.busy = true;
	try {
		const page = await api('GET', at('boxes', sent.box, 'records') + '?from=' + sent.from);
		for (const text of page.records) {
			let record = null;
			try {
				record = JSON.parse(text);
			} catch {
				continue; // a damaged one, which the server has set aside
			}
			sent.from = Math.max(sent.from, record.seq + 1 || 0);
			if (record.kind === 'command' && record.id === sent.id) {
				sent.outcome = record.outcome;
				sent.detail = record.detail || '';
			}
		}
	} catch {
		/* The next turn asks again. */
	}
	sent.busy = false;
	if (!sent.outcome && Date.now() - sent.at > 180000) {
		sent.outcome = 'late';
		sent.detail = '';
	}
	if (sent.outcome) {
		clearInterval(sent.timer);
		say(t('cmd_end', t('c.' + sent.name), place(sent.box, sent.outlet), outcome(sent)));
		later();
	}
}

function outcome(sent) {
	if (!sent.outcome)
		return t('cmd_wait');
	if (sent.outcome === 'late')
		return t('cmd_late');
	const detail = sent.detail && (lang === 'zh' ? word('d.', sent.detail).replace(/^d\./, '') : sent.detail);
	return t('o.' + sent.outcome) + (detail ? (lang === 'zh' ? '：' : ': ') + detail : '');
}

// --- the question before an act ---
/* fields: {name, label, kind, value, hint, options, check}. run(values) acts; what it throws stands in the dialog, which
 * stays, so that a repeated act carries the same key. */
function ask({title, lines = [], fields = [], ok, danger, run}) {
	const dialog = document.getElementById('ask');
	const back = document.activeElement;
	const alert = h('p', {class: 'alert', role: 'alert', hidden: true});
	const go = h('button', {class: danger ? 'main danger' : 'main', type: 'submit'}, ok);
	const inputs = fields.map((f) => ({f, input: control(f)}));
	const fail = (text) => {
		alert.textContent = text;
		alert.hidden = false;
	};
	const close = () => dialog.close();
	const form = h('form', {novalidate: true, onsubmit: async () => {
		const values = {};
		for (const {f, input} of inputs) {
			const [value, wrong] = read(f, input, values);
			input.toggleAttribute('aria-invalid', false);
			if (wrong) {
				input.setAttribute('aria-invalid', 'true');
				input.focus();
				fail(f.label + (lang === 'zh' ? '：' : ': ') + wrong);
				return;
			}
			values[f.name] = value;
		}
		alert.hidden = true;
		go.disabled = true;
		try {
			await run(values);
			close();
		} catch (error) {
			fail(error.text || String(error));
		}
		go.disabled = false;
	}}, h('h2', {id: 'ask-title'}, title), lines.filter(Boolean).map((line) => h('p', null, line)),
	inputs.map(({f, input}) => labelled(f, input)), alert,
	h('div', {class: 'row'}, h('button', {type: 'button', onclick: close}, t('cancel')), go));
	dialog.replaceChildren(form);
	dialog.onclose = () => {
		if (back && back.isConnected)
			back.focus();
		else
			document.getElementById('main').focus();
	};
	dialog.showModal();
	if (inputs.length)
		inputs[0].input.focus();
}

/* Shows something that is to be read or copied. */
function tell(title, ...content) {
	const dialog = document.getElementById('ask');
	dialog.onclose = null;
	dialog.replaceChildren(h('div', null, h('h2', {id: 'ask-title'}, title), content,
		h('div', {class: 'row'}, h('button', {class: 'main', type: 'button', onclick: () => dialog.close()}, t('close')))));
	setTimeout(() => dialog.showModal());
}

let fieldNumber = 0;

function control(f) {
	const base = {name: f.name, value: f.value === undefined ? '' : f.value, id: f.id, oninput: f.oninput,
		readonly: f.readonly, autocomplete: f.auto || 'off', 'aria-describedby': f.hintId, maxlength: f.most};
	if (f.kind === 'select')
		return h('select', {...base, onchange: f.oninput, disabled: f.readonly},
			f.options.map(([value, text]) => h('option', {value}, text)).map((o, i) => {
				o.value = f.options[i][0];
				return o;
			}));
	if (f.kind === 'area')
		return h('textarea', {...base, rows: 14, lang: f.lang, spellcheck: 'false'});
	const type = ['password', 'checkbox', 'datetime-local'].includes(f.kind) ? f.kind : 'text';
	if (type === 'checkbox')
		return h('input', {type, name: f.name});
	return h('input', {...base, type, inputmode: f.kind === 'money' ? 'decimal' : f.kind === 'int' ? 'numeric' : undefined,
		spellcheck: 'false', list: f.list, placeholder: f.placeholder});
}

function labelled(f, input) {
	if (f.kind === 'checkbox')
		return h('label', {class: 'check'}, input, f.label);
	const hint = f.hint && h('small', {id: 'hint' + ++fieldNumber}, f.hint);
	if (hint)
		input.setAttribute('aria-describedby', hint.id);
	return h('label', {class: 'field'}, h('span', null, f.label), input, hint);
}

/* [value, what is wrong with it] of what was typed. */
function read(f, input, values) {
	if (f.kind === 'checkbox')
		return [input.checked, f.need && !input.checked ? t('v_need') : ''];
	const text = f.kind === 'password' || f.kind === 'area' ? input.value : input.value.trim();
	if (text === '')
		return [text, f.optional ? '' : t('v_need')];
	let value = text;
	if (f.kind === 'money') {
		value = parsed(text);
		if (value === null)
			return [0, t('v_money')];
		if (f.above0 && value === 0)
			return [0, t('v_above0')];
	} else if (f.kind === 'int') {
		value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
		if (!(value >= f.min && value <= f.max))
			return [0, t('v_int', f.min, f.max)];
	} else if (f.kind === 'word' && !new RegExp('^[ !#-\\[\\]-~]{1,' + f.most + '}$').test(text)) {
		return [text, t('v_ascii', f.most)];
	}
	return [value, f.check ? f.check(value, values) : ''];
}

// --- tables ---
/* columns: [heading, cell(row), class]; a column "wide" is a line of its own on a narrow screen. */
function table(label, columns, rows, {key, ver, trouble, foot, empty, lines} = {}) {
	if (!rows.length && empty !== false)
		return h('p', {class: 'empty', key: label + 'empty'}, empty || t('none'));
	const cells = (row) => columns.map(([name, cell, kind]) =>
		h('td', {role: 'cell', class: kind, 'data-name': name || undefined}, cell(row)));
	return h('div', {class: 'scroll', key: label}, h('table', {class: lines ? 'lines' : 'stack', role: 'table', 'aria-label': label},
		h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, columns.map(([name, , kind]) =>
			h('th', {role: 'columnheader', scope: 'col', class: kind === 'n' ? 'n' : undefined}, name)))),
		h('tbody', {role: 'rowgroup'}, rows.map((row, i) => h('tr', {role: 'row', key: key ? key(row) : i, ver: ver && ver(row),
			class: trouble && trouble(row) ? 'trouble' : undefined, build: () => cells(row)}))),
		foot && h('tfoot', {role: 'rowgroup'}, h('tr', {role: 'row'}, foot.map(([text, kind], i) =>
			h('td', {role: 'cell', class: kind, 'data-name': i ? columns[i][0] : undefined}, text))))));
}

const link = (text, ...parts) => h('a', {href: '#' + at(...parts)}, text);
const act = (text, onclick, kind) => h('button', {type: 'button', class: kind, onclick}, text);

/* One that says why it cannot be pressed stays reachable for keyboard and screen reader. */
function actUnless(text, why, onclick, kind) {
	return why ? h('button', {type: 'button', 'aria-disabled': 'true', title: why, onclick: () => say(text + (lang === 'zh' ?
		'：' : ': ') + why)}, text, h('span', {class: 'seen-by-ear'}, ' (' + why + ')')) : act(text, onclick, kind);
}

function head(title, ...more) {
	return h('div', {class: 'head'}, h('h1', {tabindex: '-1'}, title), more);
}

function facts(list, big) {
	return h('dl', {class: 'facts'}, list.filter((f) => f && f[1] !== undefined && f[1] !== null && f[1] !== '')
		.map(([name, value], i) => h('div', {class: big && i < big ? 'big' : undefined}, h('dt', null, name), h('dd', null, value))));
}

// --- boxes ---
const place = (box, outlet) => (outlet ? box + ' · ' + t('outlet_n', outlet) : box || '–');
const stateOf = (o) => (o.fault !== 'none' ? 'faulted' : o.out_of_service ? 'out_of_service' : o.progress ? o.progress.state :
	o.reserved_for ? 'reserved' : 'unknown');
const orderOf = (o) => o.order || (o.progress && o.progress.order) || '';
const inSession = (o) => ['unlocked', 'ready', 'supplying', 'paused', 'ending'].includes(o.progress ? o.progress.state : '');
const missingOf = (o) => MISSING.filter((name, i) => o.progress && o.progress.missing & (1 << i));
const stateText = (o) => (o.fault !== 'none' ? word('f.', o.fault) : t('s.' + stateOf(o)));
const byName = (a, b) => a.box.localeCompare(b.box, 'en', {numeric: true});

/* What somebody should look at, in words. */
function troubles(b) {
	const list = [];
	if (!b.connected)
		list.push(b.heard ? t('no_link_t', stamp(b.heard)) : t('no_link') + ' · ' + t('never'));
	if (b.queue >= QUEUE_TROUBLE)
		list.push(t('queue_t', b.queue));
	for (const o of b.outlets) {
		const name = t('outlet_n', o.outlet) + (lang === 'zh' ? '：' : ': ');
		if (o.fault !== 'none')
			list.push(name + word('f.', o.fault));
		const missing = o.progress && o.progress.state !== 'ending' ? o.progress.missing & MISSING_TROUBLE : 0;
		for (const [i, m] of MISSING.entries()) {
			if (missing & (1 << i))
				list.push(name + t('x.' + m));
		}
	}
	return list;
}

function chip(o) {
	const state = stateOf(o);
	const watts = state === 'supplying' ? ' ' + kw(o.progress.power_mw) + ' kW' : '';
	return h('li', {class: 'chip s-' + state, title: [o.label, o.code, orderOf(o), o.reserved_for].filter(Boolean).join(' · ') ||
		undefined}, h('b', null, o.outlet), stateText(o) + watts);
}

function boxesView() {
	const all = [...S.boxes.values()].sort(byName);
	const text = (S.filter || '').toLowerCase();
	const holds = (b) => !text || [b.box, ...b.outlets.flatMap((o) => [o.label, o.code, orderOf(o), o.reserved_for])]
		.some((v) => v && v.toLowerCase().includes(text));
	const rows = all.filter((b) => holds(b) && (!S.troubled || troubles(b).length));
	const outlets = all.flatMap((b) => b.outlets);
	const supplying = outlets.filter((o) => stateOf(o) === 'supplying');
	const count = (n, name, bad) => h('div', null, h('dt', null, t(name)), h('dd', {class: bad && n ? 'bad' : undefined}, n));
	return [
		head(t('boxes'), can('manager') && act(t('new_box') + ' …', newBox, 'end')),
		h('dl', {class: 'tally'}, count(all.length, 't_boxes'), count(all.filter((b) => !b.connected).length, 't_lost', true),
			count(outlets.filter((o) => o.fault !== 'none').length, 't_fault', true), count(supplying.length, 't_supply'),
			count(kw(supplying.reduce((sum, o) => sum + o.progress.power_mw, 0)), 't_power'),
			count(all.reduce((sum, b) => sum + (b.queue || 0), 0), 't_queue')),
		h('div', {class: 'head'},
			h('input', {class: 'search', type: 'search', id: 'filter', 'aria-label': t('filter_boxes'), placeholder: t('filter_boxes'),
				value: S.filter || '', 'aria-keyshortcuts': '/', oninput: (e) => {
					S.filter = e.target.value;
					render();
				}}),
			h('label', {class: 'check'}, h('input', {type: 'checkbox', checked: !!S.troubled, onchange: (e) => {
				S.troubled = e.target.checked;
				render();
			}}), t('troubled') + ' (' + all.filter((b) => troubles(b).length).length + ')')),
		table(t('boxes'), [
			[t('box'), (b) => [link(b.box, 'box', b.box), h('ul', {class: 'why'}, troubles(b).map((w) => h('li', null, w)))], 'wide'],
			[t('link'), (b) => h('span', {class: b.connected ? 'good' : 'bad'}, b.connected ? '● ' + t('linked') : '▲ ' + t('no_link')), 'w'],
			[t('heard'), (b) => since(b.heard), 'w'],
			[t('queue'), (b) => (b.queue === null || b.queue === undefined ? '–' : b.queue), 'n'],
			[t('undecided'), (b) => b.commands || 0, 'n'],
			[t('outlets'), (b) => (b.outlets.length ? h('ul', {class: 'chips' + (b.connected ? '' : ' stale')}, b.outlets.map(chip)) :
				h('small', null, t('no_outlets'))), 'wide'],
		], rows, {key: (b) => b.box, ver: (b) => b, trouble: (b) => troubles(b).length,
			empty: !all.length ? t('no_boxes') : S.troubled && !text ? t('all_well') : t('none_found')}),
	];
}

function newBox() {
	ask({title: t('new_box'), ok: t('new_box'), fields: [{name: 'box', label: t('box'), most: 32, kind: 'word', check: (v) =>
		(S.boxes.has(v) ? t('box_known') : /^[A-Za-z0-9._-]+$/.test(v) ? '' : 'A–Z a–z 0–9 . _ -')}],
	run: async ({box}) => {
		const {token} = await api('PUT', at('boxes', box));
		refresh();
		tell(box, h('p', null, t('token_t')), h('p', null, h('code', null, token)));
	}});
}

// --- one box ---
async function loadBox(box) {
	const view = S.view;
	const mine = (o) => o.box === box;
	const [status, orders, alarms] = await Promise.all([api('GET', at('boxes', box)),
		pages('orders?box=' + encodeURIComponent(box), 'orders', 5, (all) => all.filter(mine).length >= 20),
		api('GET', 'alarms?box=' + encodeURIComponent(box))]);
	S.boxes.set(box, status);
	S.recent = orders;
	view.alarms = alarms.alarms.filter(mine);
	view.chart = {kind: 'day', back: 0, outlet: 0};
	loadChart(view, box);
}

function boxView(box) {
	const b = S.boxes.get(box);
	const known = new Set(S.view.alarms.map((a) => a.number));
	const alarms = [...S.alarms.filter((a) => a.box === box && !known.has(a.number)), ...S.view.alarms];
	return [
		head(b.box, h('span', {class: b.connected ? 'good' : 'bad'}, b.connected ? '● ' + t('linked') : '▲ ' + t('no_link'))),
		facts([[t('heard'), since(b.heard)], [t('queue'), b.queue === null || b.queue === undefined ? '–' : String(b.queue)],
			[t('undecided_h'), String(b.commands || 0)], [t('accepted'), String(b.accepted_through)],
			[t('ledger'), b.ledger ? h('code', {title: b.ledger}, b.ledger.slice(0, 8)) : '–']]),
		b.outlets.length ? h('div', {class: 'cards'}, b.outlets.map((o) => outletCard(b, o))) :
			h('p', {class: 'empty'}, t('no_outlets')),
		chartSection(box),
		h('section', null, h('div', {class: 'head'}, h('h2', null, t('recent_orders'))), orderTable(t('recent_orders'),
			S.recent.filter((o) => o.box === box).slice(0, 20), false)),
		h('section', null, h('div', {class: 'head'}, h('h2', null, t('recent_alarms'))), alarmTable(t('recent_alarms'),
			alarms.slice(0, 30), false)),
	];
}

function outletCard(b, o) {
	const p = o.progress;
	const state = stateOf(o);
	const order = orderOf(o);
	const missing = missingOf(o).filter((m) => m !== 'no_fault');
	const sent = S.sent.filter((c) => c.box === b.box && c.outlet === o.outlet).slice(0, 3);
	const session = p && order && (inSession(o) || state === 'finishing');
	return h('article', {class: 'card' + (state === 'faulted' ? ' trouble' : '') + (b.connected ? '' : ' stale'), key: o.outlet,
		'aria-label': t('outlet_n', o.outlet)},
	h('div', {class: 'row'}, h('h2', null, t('outlet_n', o.outlet), o.label && h('span', {class: 'soft'}, ' · ' + o.label)),
		h('span', {class: 'chip s-' + state}, stateText(o))),
	session && facts([[t('power'), kw(p.power_mw) + ' kW'], [t('energy'), kwh(p.energy_mwh) + ' kWh'],
		[t('cost'), money(p.cost_micros, S.currency, 2)],
		[t('duration'), p.energised_ms !== undefined ? clock(p.energised_ms) : ''],
		[t('remaining'), money(p.remaining_micros, S.currency, 2) + (p.remaining_ms >= 0 ? ' · ' + clock(p.remaining_ms) : '')],
		[t('session'), link(order, 'order', order)]], 3),
	facts([[t('reserved_for'), o.reserved_for && link(o.reserved_for, 'account', o.reserved_for)],
		[t('register'), p && p.has_register ? kwh(p.register_mwh) + ' kWh' : ''],
		[t('code'), o.code && (can('manager') ? link(o.code, 'place', o.code) : o.code)]]),
	o.fault !== 'none' && h('p', {class: 'bad'}, word('fh.', o.fault) + ' ' +
		t('may_clear', (o.clearable_by || []).map((a) => word('w.', a)).join(lang === 'zh' ? '、' : ', ') || '–')),
	p && p.low_credit && h('p', {class: 'warn'}, t('low_credit')),
	missing.length > 0 && h('p', {class: 'soft'}, t('missing_h') + (lang === 'zh' ? '：' : ': ') +
		missing.map((m) => t('x.' + m)).join(lang === 'zh' ? '；' : '; ')),
	can('operator') && outletActs(b.box, o, order),
	sent.length > 0 && h('ul', {class: 'sent'}, sent.map((c) => h('li', {key: c.id, class: !c.outcome ? 'soft' :
		c.outcome === 'done' ? 'good' : 'bad'}, stamp(c.at).slice(-8) + ' ' + t('c.' + c.name) + (lang === 'zh' ? '：' : ': ') +
		outcome(c)))));
}

function outletActs(box, o, order) {
	const name = place(box, o.outlet);
	const state = o.progress ? o.progress.state : 'unknown';
	const open = inSession(o);
	const send = (type, more, label) => () => command(box, o.outlet, type, more, label);
	const question = (title, lines, ok, danger, run, fields) => ask({title: t(title, name), lines, ok: t(ok), danger, run, fields});
	const free = state === 'available' || (state === 'unknown' && o.fault === 'none');
	return h('div', {class: 'row do'},
		actUnless(t('power_off'), order && open ? '' : t('why_session'), () => question('ask_off', [t('ask_off_t', order)], 'power_off',
			true, send('power_off', {order})), 'danger'),
		actUnless(t('unlock'), o.fault === 'welded' ? t('why_welded') : state === 'supplying' ? t('why_supply') : '',
			() => question('ask_unlock', [t('ask_unlock_t')], 'unlock', false, send('unlock'))),
		state === 'finishing' && order && act(t('departed'), () => question('ask_departed', [t('ask_departed_t', order)], 'departed',
			false, send('departed', {order}))),
		o.fault !== 'none' && actUnless(t('clear'), (o.clearable_by || []).includes('operator') ? '' : t('why_tech'),
			() => question('ask_clear', [t('ask_clear_t', word('f.', o.fault))], 'clear', false, send('clear_fault'))),
		o.reserved_for ? act(t('release'), () => question('ask_release', [t('ask_release_t', o.reserved_for)], 'release', false,
			send('release'))) : actUnless(t('reserve'), free && !o.out_of_service ? '' : t('why_busy'),
			() => question('ask_reserve', [t('ask_reserve_t')], 'reserve', false, ({account, minutes}) => command(box, o.outlet,
				'reserve', {account, hold_ms: minutes * 60000}), [
				{name: 'account', label: t('account'), kind: 'word', most: 40},
				{name: 'minutes', label: t('minutes'), kind: 'int', min: 1, max: 10080, value: '30'}])),
		o.out_of_service ? act(t('back'), () => question('ask_back', [t('ask_back_t')], 'back', false,
			send('out_of_service', {out: false}, 'back'))) :
			act(t('oos'), () => question('ask_oos', [open && order && t('ask_oos_s', order), t('ask_oos_t')], 'oos', true,
				send('out_of_service', {out: true})), 'danger'));
}

// --- the chart ---
const SPANS = {day: {days: 1, step_s: 900}, week: {days: 7, step_s: 3600}, month: {days: 30, step_s: 14400}};

async function loadChart(view, box) {
	const c = view.chart;
	const span = SPANS[c.kind];
	const today = new Date();
	const day = (n) => new Date(today.getFullYear(), today.getMonth(), today.getDate() + n);
	const from = day(1 - span.days + c.back * span.days);
	const end = day(1 + c.back * span.days);
	const now = Math.ceil((Date.now() - from) / (span.step_s * 1000)) * span.step_s * 1000 + from.getTime();
	const to = new Date(Math.min(end, now));
	const wanted = {from, end, kind: c.kind};
	c.wanted = wanted;
	c.wrong = '';
	try {
		const series = await api('GET', at('boxes', box, 'series') + '?from=' + from.toISOString() + '&to=' + to.toISOString() +
			'&step_s=' + span.step_s);
		if (c.wanted !== wanted)
			return; // another one was asked for meanwhile
		c.shown = {...wanted, step_s: series.step_s, start: new Date(series.from).getTime(), outlets: series.outlets};
	} catch (error) {
		if (c.wanted === wanted)
			c.wrong = error.text;
	}
	if (S.view === view)
		render();
}

/* Steps become bars: the hours of a day, the days of a week or a month, by local time. */
function bins(shown, outlet) {
	const series = shown.outlets.filter((o) => !outlet || o.outlet === outlet);
	const count = Math.max(0, ...series.map((o) => o.energy_mwh.length));
	const bars = [];
	const loads = [];
	for (let i = 0; i < count; i++) {
		const start = new Date(shown.start + i * shown.step_s * 1000);
		const mwh = series.reduce((sum, o) => sum + (o.energy_mwh[i] || 0), 0);
		const mw = mwh * 3600 / shown.step_s;
		const name = shown.kind === 'day' ? start.getHours() + '/' + start.getTimezoneOffset() : start.toDateString();
		let bar = bars[bars.length - 1];
		if (!bar || bar.name !== name) {
			bar = {name, start: start.getTime(), mwh: 0, peak: 0, steps: 0};
			bars.push(bar);
		}
		bar.mwh += mwh;
		bar.steps++;
		bar.peak = Math.max(bar.peak, mw);
		loads.push({at: start.getTime(), mw});
	}
	return {bars, loads, mwh: bars.reduce((sum, b) => sum + b.mwh, 0)};
}

/* A round number at or above, for the axis. */
function ceiling(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return [1, 2, 2.5, 5, 10].map((m) => m * power).find((v) => v >= value * 0.9999) || 10 * power;
}

function chartSection(box) {
	const c = S.view.chart;
	const set = (more) => () => {
		Object.assign(c, more);
		loadChart(S.view, box);
		render();
	};
	const shown = c.shown;
	const numbers = shown ? shown.outlets.map((o) => o.outlet) : [];
	return h('section', {'aria-labelledby': 'chart'}, h('div', {class: 'head'}, h('h2', {id: 'chart'}, t('chart')),
		h('div', {class: 'group', role: 'group', 'aria-label': t('chart')}, Object.keys(SPANS).map((kind) => h('button', {type: 'button',
			'aria-pressed': String(c.kind === kind), onclick: set({kind, back: 0})}, t(kind)))),
		h('div', {class: 'group'}, act('← ' + t('earlier'), set({back: c.back - 1})),
			h('button', {type: 'button', disabled: c.back >= 0, onclick: set({back: c.back + 1})}, t('later') + ' →')),
		numbers.length > 1 && h('select', {'aria-label': t('outlet'), value: String(c.outlet), onchange: (e) =>
			set({outlet: Number(e.target.value)})()}, [0, ...numbers].map((n) => h('option', {value: n, key: n},
			n ? t('outlet_n', n) : t('all_outlets'))).map((o, i) => {
			o.value = String([0, ...numbers][i]);
			return o;
		}))),
	c.wrong ? h('p', {class: 'alert'}, c.wrong) : !shown ? h('p', {class: 'empty'}, t('loading')) : drawChart(shown, c.outlet));
}

function drawChart(shown, outlet) {
	const {bars, loads, mwh} = bins(shown, outlet);
	const wide = innerWidth > 720;
	const width = wide ? 1000 : 380;
	const [left, right, high, low, gap] = [44, 8, wide ? 150 : 120, wide ? 110 : 90, 34];
	const top = 20;
	const lowTop = top + high + gap;
	const height = lowTop + low + 22;
	const span = shown.end - shown.from;
	const x = (time) => left + (time - shown.from) / span * (width - left - right);
	const most = {e: ceiling(Math.max(...bars.map((b) => b.mwh), 1000) / 1e6), l: ceiling(Math.max(...loads.map((l) => l.mw), 1000) / 1e6)};
	const y = (value, max, from, size) => from + size - value / 1e6 / max * size;
	const peak = loads.reduce((a, b) => (b.mw > a.mw ? b : a), {mw: 0, at: shown.start});
	const title = t('ch_sum', stamp(shown.from, false), stamp(shown.end, false), kwh(mwh), kw(peak.mw));
	const axis = (max, from, size) => [0, 0.5, 1].map((part) => [
		s('path', {class: 'grid', d: 'M' + left + ' ' + (from + size - part * size) + 'H' + (width - right)}),
		s('text', {x: left - 6, y: from + size - part * size + 4, 'text-anchor': 'end'}, String(Number((max * part).toPrecision(3))))]);
	const ticks = [];
	const every = shown.kind === 'day' ? (wide ? 3 : 6) : shown.kind === 'week' ? 1 : wide ? 3 : 7;
	for (const d = new Date(shown.from), i = {n: 0}; d < shown.end; i.n++) {
		if (i.n % every === 0) {
			ticks.push(s('text', {x: x(d), y: height - 6, 'text-anchor': shown.kind === 'week' ? 'start' : 'middle'},
				shown.kind === 'day' ? two(d.getHours()) + ':00' : two(d.getMonth() + 1) + '-' + two(d.getDate())));
		}
		if (shown.kind === 'day')
			d.setHours(d.getHours() + 1);
		else
			d.setDate(d.getDate() + 1);
	}
	const slot = (width - left - right) / (shown.kind === 'day' ? 24 : SPANS[shown.kind].days);
	const points = loads.map((l, i) => (i ? 'L' : 'M') + x(l.at).toFixed(1) + ' ' + y(l.mw, most.l, lowTop, low).toFixed(1) + 'H' +
		x(l.at + shown.step_s * 1000).toFixed(1)).join('');
	const label = (start) => (shown.kind === 'day' ? stamp(start, false).slice(-5) : stamp(start, false).slice(0, -6));
	return [
		h('div', {class: 'chart'}, s('svg', {viewBox: '0 0 ' + width + ' ' + height, role: 'img', 'aria-label': title},
			s('text', {class: 'name', x: left, y: 11}, t('ch_energy')),
			axis(most.e, top, high), bars.map((b) => b.mwh > 0 && s('rect', {class: 'bar', x: (x(b.start) + slot * 0.12).toFixed(1),
				width: (slot * 0.76).toFixed(1), y: y(b.mwh, most.e, top, high).toFixed(1),
				height: (top + high - y(b.mwh, most.e, top, high)).toFixed(1)}, s('title', null, label(b.start) + '  ' + kwh(b.mwh) + ' kWh'))),
			s('text', {class: 'name', x: left, y: lowTop - 9}, t('ch_load', shown.step_s / 60)),
			peak.mw > 0 && s('text', {x: width - right, y: lowTop - 9, 'text-anchor': 'end'}, '▲ ' + t('ch_at', kw(peak.mw),
				stamp(peak.at, false))),
			axis(most.l, lowTop, low),
			loads.length > 0 && [s('path', {class: 'under', d: points + 'V' + (lowTop + low) + 'H' + x(loads[0].at).toFixed(1) + 'Z'}),
				s('path', {class: 'load', d: points})],
			ticks)),
		h('p', {class: 'soft'}, title),
		h('details', null, h('summary', null, t('ch_table')), table(t('chart'), [
			[t('ch_from'), (b) => stamp(b.start, false), 'w'],
			['kWh', (b) => kwh(b.mwh), 'n'],
			[t('ch_mean'), (b) => kw(b.mwh * 3600 / (b.steps * shown.step_s)), 'n'],
			[t('ch_peak'), (b) => kw(b.peak), 'n'],
		], bars, {lines: true})),
	];
}

// --- orders ---
function progressOf(order) {
	const b = S.boxes.get(order.box);
	const o = b && b.outlets.find((x) => x.outlet === order.outlet);
	return o && o.progress && o.progress.order === order.order ? o.progress : null;
}

const labelOf = (box, outlet) => {
	const b = S.boxes.get(box);
	const o = b && b.outlets.find((x) => x.outlet === outlet);
	return (o && o.label) || '';
};
const where = (box, outlet) => [link(box, 'box', box), outlet ? ' · ' + outlet : '', labelOf(box, outlet) &&
	h('small', null, ' ' + labelOf(box, outlet))];
const shortOrder = (order) => h('a', {href: '#' + at('order', order), title: order, class: 'mono'},
	order.length > 14 ? order.slice(0, 12) + '…' : order);

function sessionsView() {
	const rows = [...S.open.values()].sort((a, b) => (b.made || '').localeCompare(a.made || '') || (a.order < b.order ? 1 : -1));
	const live = rows.map(progressOf);
	const sum = (f) => live.reduce((total, p) => total + (p ? f(p) : 0), 0);
	return [head(t('sessions')), table(t('sessions'), [
		[t('order'), (o) => shortOrder(o.order)],
		[t('outlet'), (o) => where(o.box, o.outlet)],
		[t('account'), (o) => link(o.account, 'account', o.account)],
		[t('state'), (o) => {
			const p = progressOf(o);
			return h('span', {class: 'chip s-' + (p ? p.state : 'unknown')}, p ? t('s.' + p.state) : t('os.' + o.state));
		}],
		[t('power') + ', kW', (o) => (progressOf(o) ? kw(progressOf(o).power_mw) : '–'), 'n'],
		[t('energy') + ', kWh', (o) => (progressOf(o) ? kwh(progressOf(o).energy_mwh) : '–'), 'n'],
		[t('duration'), (o) => (progressOf(o) && progressOf(o).energised_ms !== undefined ? clock(progressOf(o).energised_ms) : '–'), 'n'],
		[t('cost'), (o) => (progressOf(o) ? money(progressOf(o).cost_micros, S.currency, 2) : '–'), 'n'],
		[t('held'), (o) => money(o.held_micros), 'n'],
		['', (o) => can('operator') && act(t('power_off'), () => ask({title: t('ask_off', place(o.box, o.outlet)),
			lines: [t('ask_off_t', o.order)], ok: t('power_off'), danger: true,
			run: () => command(o.box, o.outlet, 'power_off', {order: o.order})}), 'danger'), 'acts'],
	], rows, {key: (o) => o.order, empty: t('no_sessions'), foot: rows.length > 1 && [[t('sum_n', rows.length)], [''], [''], [''],
		[kw(sum((p) => p.power_mw)), 'n'], [kwh(sum((p) => p.energy_mwh)), 'n'], [''],
		[money(sum((p) => p.cost_micros), S.currency, 2), 'n'], [money(rows.reduce((n, o) => n + o.held_micros, 0)), 'n'], ['']]})];
}

function orderTable(label, orders, withBox) {
	return table(label, [
		[t('made'), (o) => when(o.made), 'w'],
		[t('order'), (o) => shortOrder(o.order)],
		[t('outlet'), (o) => (withBox ? where(o.box, o.outlet) : o.outlet)],
		[t('account'), (o) => link(o.account, 'account', o.account)],
		[t('state'), (o) => word('os.', o.state)],
		[t('reason'), (o) => (o.receipt ? word('r_.', o.receipt.reason) : '')],
		['kWh', (o) => (o.receipt ? kwh(o.receipt.energy_mwh) : ''), 'n'],
		[t('billed'), (o) => (o.state === 'done' ? money(o.billed_micros) : ''), 'n'],
	], orders, {key: (o) => o.order});
}

function orderView() {
	const o = S.view.order;
	const r = o.receipt;
	const p = progressOf(o);
	const limit = o.limit_mwh ? kwh(o.limit_mwh) + ' kWh' : o.limit_ms ? clock(o.limit_ms) : o.limit_micros ? money(o.limit_micros) : '';
	return [head(t('order'), h('code', null, o.order)),
		h('div', {class: 'pane'}, facts([[t('state'), word('os.', o.state)], [t('made'), o.made && when(o.made)], [t('outlet'),
			where(o.box, o.outlet)], [t('account'), link(o.account, 'account', o.account)], [t('mode'), word('m.', o.mode)],
		[t('until'), o.until && word('u.', o.until)], [t('limit'), limit], [t('held'), money(o.held_micros)],
		[t('tariff'), o.tariff && o.tariff.id + ', ' + t('version_n', o.tariff.version)]]),
		p && facts([[t('power'), kw(p.power_mw) + ' kW'], [t('energy'), kwh(p.energy_mwh) + ' kWh'], [t('cost'), money(p.cost_micros)]], 3),
		r && [h('h2', null, t('reason') + (lang === 'zh' ? '：' : ': ') + word('r_.', r.reason)),
			facts([[t('energy'), kwh(r.energy_mwh) + ' kWh'], [t('billed'), money(o.billed_micros)],
				[t('duration'), clock(r.energised_ms)], [t('start_reg'), kwh(r.start_mwh) + ' kWh'],
				[t('end_reg'), kwh(r.start_mwh + r.energy_mwh) + ' kWh'], [t('settled'), r.settled ? t('settled_y') : t('settled_n')],
				[t('captured'), money(o.captured_micros)], [t('written_off'), o.written_off_micros ?
					h('span', {class: 'bad'}, money(o.written_off_micros)) : money(0)]], 2)],
		(o.price_differs || o.ledger_lost) && h('p', {class: 'warn'}, [o.price_differs && t('price_differs'),
			o.ledger_lost && t('ledger_lost')].filter(Boolean).join('; ')))];
}

// --- alarms ---
function alarmWord(a) {
	if (a.kind === 'fault' || a.kind === 'cleared')
		return word('f.', a.word).replace(/^f\./, '');
	return word('a.', a.word);
}

function alarmTable(label, alarms, withBox) {
	return table(label, [
		[t('time'), (a) => when(a.time), 'w'],
		withBox ? [t('outlet'), (a) => (a.box ? where(a.box, a.outlet) : '–')] : [t('outlet'), (a) => a.outlet || '–'],
		[t('kind'), (a) => h('span', {class: a.kind === 'fault' ? 'bad' : a.kind === 'cleared' ? 'good' : 'warn'}, word('ak.', a.kind)), 'w'],
		[t('what'), (a) => alarmWord(a)],
		[t('detail'), (a) => a.detail || ''],
	], alarms, {key: (a) => a.number});
}

function alarmsView() {
	const view = S.view;
	const known = new Set(S.alarms.map((a) => a.number));
	const all = [...S.alarms, ...(view.older || []).filter((a) => !known.has(a.number))];
	const text = (view.filter || '').toLowerCase();
	const rows = all.filter((a) => (!view.kind || a.kind === view.kind) && (!text ||
		[a.box, alarmWord(a), a.word, a.detail].some((v) => v && v.toLowerCase().includes(text))));
	if (S.alarms.length)
		stored('meterbox-alarms', String(S.alarms[0].number));
	return [head(t('alarms'), filterBox(t('filter')), h('select', {'aria-label': t('kind'), value: view.kind || '', onchange: (e) => {
		view.kind = e.target.value;
		render();
	}}, ['', 'fault', 'alarm', 'cleared', 'server'].map((k) => option(k, k ? t('ak.' + k) : t('kind') + ' …')))),
	alarmTable(t('alarms'), rows, true), olderButton(async () => {
		const last = all[all.length - 1];
		const page = await api('GET', 'alarms?before=' + last.number);
		view.older = [...(view.older || []), ...page.alarms];
		view.end = page.alarms.length === 0;
	}, all.length > 0 && !view.end)];
}

function option(value, text) {
	const o = h('option', {value}, text);
	o.setAttribute('value', value);
	return o;
}

function filterBox(label) {
	const view = S.view;
	return h('input', {class: 'search', type: 'search', id: 'filter', 'aria-label': label, placeholder: label, 'aria-keyshortcuts': '/',
		value: view.filter || '', oninput: (e) => {
			view.filter = e.target.value;
			render();
		}});
}

function olderButton(load, there, name = 'more') {
	return there && h('p', null, act(t(name), async (e, button) => {
		button.disabled = true;
		try {
			await load();
		} catch (error) {
			say(error.text);
		}
		button.disabled = false;
		render();
	}));
}

// --- tariffs ---
const priceText = (f) => (f.rates ? f.rates.map((r) => r.name + ' ' + decimal(r.price_micros)).join(' · ') :
	decimal(f.energy_price_micros || 0));

async function loadTariffs() {
	S.tariffs = (await api('GET', 'tariffs')).tariffs;
	const currencies = new Set(S.tariffs.map((f) => f.currency));
	S.currency = currencies.size === 1 ? [...currencies][0] : '';
}

function tariffsView() {
	return [head(t('tariffs'), can('manager') && h('a', {class: 'button end', href: '#tariff'}, t('new_tariff'))),
		table(t('tariffs'), [
			[t('tariff_id'), (f) => link(f.id, 'tariff', f.id)],
			[t('version'), (f) => f.version, 'n'],
			[t('kind'), (f) => (f.rates ? t('by_time') : t('flat'))],
			[t('price'), (f) => priceText(f) + ' ' + f.currency],
			[t('service'), (f) => decimal(f.service_price_micros || 0), 'n'],
			[t('start_fee'), (f) => decimal(f.start_fee_micros || 0), 'n'],
			[t('rounding'), (f) => decimal(f.quantum_micros) + ' ' + t('r.' + f.rounding)],
		], S.tariffs, {key: (f) => f.id})];
}

const hourMinute = (minutes) => two(Math.floor(minutes / 60)) + ':' + two(minutes % 60);
const offsetText = (min) => (min < 0 ? '-' : '+') + hourMinute(Math.abs(min));

function localInput(d) {
	return d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate()) + 'T' + two(d.getHours()) + ':' + two(d.getMinutes());
}

async function loadTariff(id) {
	const view = S.view;
	await loadTariffs();
	const f = id && S.tariffs.find((x) => x.id === id);
	if (id && !f)
		throw new Refused('not_found', id, 404);
	view.draft = draftOf(f || null);
	view.replaces = f ? f.version : 0;
	preview(view, 0);
}

function draftOf(f) {
	const now = new Date();
	now.setHours(18, 0, 0, 0);
	return {id: f ? f.id : '', currency: f ? f.currency : S.currency || 'CNY', quantum: plain(f ? f.quantum_micros : 10000),
		rounding: f ? f.rounding : 'half_up', service: plain(f ? f.service_price_micros || 0 : 0),
		start: plain(f ? f.start_fee_micros || 0 : 0), kind: f && f.rates ? 'time' : 'flat',
		price: plain(f && !f.rates ? f.energy_price_micros : 800000),
		rates: f && f.rates ? f.rates.map((r) => ({name: r.name, price: plain(r.price_micros)})) :
			[{name: 'valley', price: '0.3'}, {name: 'peak', price: '0.9'}],
		periods: f && f.periods ? f.periods.map((p) => ({from: hourMinute(p.from_min), rate: p.rate})) :
			[{from: '00:00', rate: 0}, {from: '07:00', rate: 1}, {from: '22:00', rate: 0}],
		offset: offsetText(f && f.rates ? f.utc_offset_min || 0 : -now.getTimezoneOffset()), power: '7', at: localInput(now), hours: '8'};
}

/* [the wire's tariff without id and version, what is wrong]. */
function tariffOf(d) {
	let wrong = '';
	const complain = (label, why) => wrong = wrong || label + (lang === 'zh' ? '：' : ': ') + why;
	const amount = (text, label) => {
		const n = parsed(text);
		if (n === null)
			complain(label, t('v_money'));
		return n || 0;
	};
	const f = {currency: d.currency.trim(), service_price_micros: amount(d.service, t('service')),
		start_fee_micros: amount(d.start, t('start_fee')), quantum_micros: amount(d.quantum, t('quantum')), rounding: d.rounding};
	if (!/^[A-Z]{3}$/.test(f.currency))
		complain(t('currency'), t('v_cur'));
	if (f.quantum_micros === 0)
		complain(t('quantum'), t('v_above0'));
	if (d.kind === 'flat') {
		f.energy_price_micros = amount(d.price, t('price'));
		return [f, wrong];
	}
	f.rates = d.rates.map((r) => ({name: r.name.trim(), price_micros: amount(r.price, t('rates'))}));
	if (f.rates.some((r) => !/^[ !#-\[\]-~]{1,16}$/.test(r.name)))
		complain(t('rates'), t('v_ascii', 16));
	f.periods = d.periods.map((p) => {
		const m = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(p.from.trim());
		if (!m || Number(m[1]) * 60 + Number(m[2]) > 1425)
			complain(t('periods'), t('v_time'));
		return {from_min: m ? Number(m[1]) * 60 + Number(m[2]) : 0, rate: p.rate};
	}).sort((a, b) => a.from_min - b.from_min);
	if (f.periods[0].from_min !== 0)
		complain(t('periods'), t('v_first'));
	if (f.periods.some((p, i) => i && p.from_min - f.periods[i - 1].from_min < 15))
		complain(t('periods'), t('v_gap'));
	if (f.rates.some((r, i) => !f.periods.some((p) => p.rate === i)) || new Set(f.rates.map((r) => r.name)).size < f.rates.length)
		complain(t('rates'), t('v_unused'));
	const m = /^([+-])(\d\d):([0-5]\d)$/.exec(d.offset.trim());
	if (!m || Number(m[2]) > 23)
		complain(t('offset'), t('v_offset'));
	else
		f.utc_offset_min = (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 60 + Number(m[3]));
	return [f, wrong];
}

/* The bill is the server's own, asked for when typing has rested. */
function preview(view, wait = 350) {
	clearTimeout(view.timer);
	const turn = view.turn = (view.turn || 0) + 1;
	view.timer = setTimeout(async () => {
		const d = view.draft;
		const [tariff, wrong] = tariffOf(d);
		const power = parsed(d.power);
		const hours = parsed(d.hours);
		const from = new Date(d.at);
		view.wrong = wrong || (power === null ? t('pv_power') + ': ' + t('v_money') : hours === null ? t('pv_hours') + ': ' + t('v_money') :
			isNaN(from) ? t('pv_from') + ': ' + t('v_need') : '');
		if (!view.wrong) {
			try {
				const bill = await api('POST', 'preview', {tariff, power_mw: power, from: from.toISOString(),
					duration_ms: Math.trunc(hours * 36 / 10)});
				if (view.turn !== turn)
					return;
				view.bill = bill;
				view.billCurrency = tariff.currency;
			} catch (error) {
				view.wrong = error.text;
			}
		}
		if (view.turn === turn && S.view === view)
			render();
	}, wait);
}

function tariffView() {
	const view = S.view;
	const d = view.draft;
	const readonly = !can('manager');
	const touched = () => {
		view.dirty = true;
		preview(view);
	};
	const bound = (object, name, label, kind, more = {}) => {
		const f = {name, label, kind, value: object[name], readonly, oninput: (e) => {
			object[name] = e.target.value;
			touched();
		}, ...more};
		return labelled(f, control(f));
	};
	const bare = (object, name, label, more = {}) => h('input', {type: 'text', 'aria-label': label, value: object[name], readonly,
		spellcheck: 'false', autocomplete: 'off', ...more, oninput: (e) => {
			object[name] = e.target.value;
			touched();
			if (name === 'name')
				later();
		}});
	const redo = (change) => () => {
		change();
		touched();
		render();
	};
	const numbered = (name, i) => name + ' ' + (i + 1);
	const kinds = h('div', {class: 'row', role: 'radiogroup', 'aria-label': t('kind')}, ['flat', 'time'].map((kind) =>
		h('label', {class: 'check'}, h('input', {type: 'radio', name: 'kind', disabled: readonly, checked: d.kind === kind,
			onchange: redo(() => d.kind = kind)}), t(kind === 'flat' ? 'flat' : 'by_time'))));
	fieldNumber = 0; // the same ids with each building
	return [head(view.replaces ? t('tariff') + ' ' + d.id : t('new_tariff'), view.replaces > 0 && h('span', {class: 'soft'},
		t('version_n', view.replaces))), h('div', {class: 'beside'},
		h('form', {class: 'pane', novalidate: true, onsubmit: () => saveTariff(view)},
			conflictNote(view, loadTariff, d.id),
			!view.replaces && bound(d, 'id', t('tariff_id'), 'word', {hint: t('id_hint'), most: 32}),
			kinds,
			d.kind === 'flat' ? h('fieldset', {key: 'flat'}, h('div', {class: 'fields'}, bound(d, 'price', t('price'), 'money'))) :
				h('fieldset', {key: 'time'}, h('legend', null, t('rates')), h('p', null, h('small', null, t('rate_hint'))),
					h('table', {class: 'edit'}, h('tbody', null, d.rates.map((r, i) => h('tr', null,
						h('td', null, bare(r, 'name', numbered(t('rate'), i), {maxlength: 16})),
						h('td', null, bare(r, 'price', t('price') + ' ' + r.name, {inputmode: 'decimal'})),
						h('td', null, !readonly && d.rates.length > 1 && h('button', {type: 'button', 'aria-label': t('remove') + ' ' + r.name,
							onclick: redo(() => {
								d.rates.splice(i, 1);
								d.periods.forEach((p) => p.rate = p.rate > i ? p.rate - 1 : Math.min(p.rate, d.rates.length - 1));
							})}, '×')))))),
					!readonly && d.rates.length < 8 && act(t('add_rate'), redo(() => d.rates.push({name: '', price: ''}))),
					h('h2', null, t('periods')), dayBand(d),
					h('table', {class: 'edit'}, h('tbody', null, d.periods.map((p, i) => h('tr', null,
						h('td', null, bare(p, 'from', numbered(t('from'), i), {inputmode: 'numeric', placeholder: '07:00', maxlength: 5})),
						h('td', null, h('select', {'aria-label': numbered(t('rate'), i), value: String(p.rate), disabled: readonly,
							onchange: (e) => redo(() => p.rate = Number(e.target.value))()},
						d.rates.map((r, k) => option(String(k), r.name || numbered(t('rate'), k))))),
						h('td', null, !readonly && d.periods.length > 1 && h('button', {type: 'button', 'aria-label': t('remove') + ' ' + p.from,
							onclick: redo(() => d.periods.splice(i, 1))}, '×')))))),
					!readonly && d.periods.length < 24 && act(t('add_period'), redo(() => d.periods.push({from: '', rate: 0}))),
					h('div', {class: 'fields'}, bound(d, 'offset', t('offset'), 'text', {hint: t('offset_hint')}))),
			h('fieldset', null, h('div', {class: 'fields'},
				bound(d, 'service', t('service'), 'money'), bound(d, 'start', t('start_fee'), 'money'),
				bound(d, 'currency', t('currency'), 'text', {most: 3}), bound(d, 'quantum', t('quantum'), 'money'),
				bound(d, 'rounding', t('rounding'), 'select', {options: ['half_up', 'up', 'down'].map((r) => [r, t('r.' + r)])}))),
			!readonly && h('button', {class: 'main', type: 'submit'}, t('save'))),
		h('aside', {class: 'pane stick', 'aria-label': t('preview')}, h('h2', null, t('preview')),
			h('div', {class: 'fields'}, bound(d, 'power', t('pv_power'), 'money', {readonly: false}),
				bound(d, 'hours', t('pv_hours'), 'money', {readonly: false})),
			bound(d, 'at', t('pv_from'), 'datetime-local', {readonly: false}),
			view.wrong ? h('p', {class: 'alert', role: 'alert'}, view.wrong) : billView(view.bill, view.billCurrency)))];
}

function billView(bill, currency) {
	if (!bill)
		return h('p', {class: 'soft'}, t('pv_wait'));
	return [table(t('preview'), [
		['', (l) => t('l.' + l.kind) + (l.rate ? ' ' + l.rate : '')],
		['kWh', (l) => (l.kind === 'start' ? '' : kwh(l.quantity)), 'n'],
		[t('price'), (l) => decimal(l.price_micros), 'n'],
		[t('amount'), (l) => decimal(l.amount_micros), 'n'],
	], bill.lines, {lines: true, empty: false, foot: [[t('total')], [kwh(bill.energy_mwh), 'n'], [''],
		[money(bill.total_micros, currency), 'n']]}), h('p', null, h('small', null, t('pv_by')))];
}

/* The day as a band, darker where it costs more. */
function dayBand(d) {
	const [f] = tariffOf(d);
	if (!f.periods || f.periods.some((p, i) => i && p.from_min <= f.periods[i - 1].from_min))
		return null;
	const most = Math.max(1, ...f.rates.map((r) => r.price_micros));
	return s('svg', {viewBox: '0 0 480 42', class: 'day', 'aria-hidden': 'true'}, f.periods.map((p, i) => {
		const end = i + 1 < f.periods.length ? f.periods[i + 1].from_min : 1440;
		const rate = f.rates[p.rate] || f.rates[0];
		return s('rect', {class: 'band', x: p.from_min / 3, y: 2, width: (end - p.from_min) / 3, height: 22,
			'fill-opacity': (0.15 + 0.85 * rate.price_micros / most).toFixed(2)}, s('title', null, rate.name));
	}), f.periods.map((p) => s('text', {x: p.from_min / 3, y: 38}, hourMinute(p.from_min))));
}

/* What to do when somebody else was faster; used by tariffs and the agreement. */
function conflictNote(view, load, arg) {
	const newest = view.conflict;
	return newest && h('div', {class: 'alert', role: 'alert'}, h('p', null, t('conflict', newest)), h('div', {class: 'row'},
		act(t('c_theirs', newest), async () => {
			view.conflict = 0;
			view.dirty = false;
			await load(arg).catch((error) => say(error.text));
			render();
		}), act(t('c_mine', newest + 1), () => {
			view.replaces = newest;
			view.conflict = 0;
			render();
		})));
}

function saveTariff(view) {
	const d = view.draft;
	const id = d.id.trim();
	const [tariff, wrong] = tariffOf(d);
	const badId = /^[ !#-\[\]-~]{1,32}$/.test(id) ? '' : t('tariff_id') + (lang === 'zh' ? '：' : ': ') + t('v_ascii', 32);
	if (wrong || badId) {
		say(badId || wrong);
		return;
	}
	ask({title: t('ask_tariff', id, view.replaces + 1), lines: [t('ask_tariff_t'), view.bill && t('ask_tariff_s',
		money(view.bill.total_micros, tariff.currency), kwh(view.bill.energy_mwh))], ok: t('save').replace(/ ?…/, ''), run: async () => {
		try {
			const made = await api('PUT', at('tariffs', id), {replaces: view.replaces, tariff});
			view.dirty = false;
			say(t('saved', id, made.version));
			location.hash = '#tariffs';
		} catch (error) {
			if (error.code !== 'conflict')
				throw error;
			const {tariffs} = await api('GET', 'tariffs');
			const newest = tariffs.find((f) => f.id === id);
			if (!newest)
				throw error;
			view.conflict = newest.version;
			render();
		}
	}});
}

// --- outlets for sale ---
async function loadPlaces() {
	S.places = (await api('GET', 'outlets')).outlets;
}

function placesView() {
	const view = S.view;
	const text = (view.filter || '').toLowerCase();
	const rows = S.places.filter((p) => !text || [p.code, p.label, p.box, p.tariff].some((v) => v.toLowerCase().includes(text)));
	return [head(t('places'), filterBox(t('filter')), h('span', {class: 'row end'}, S.places.length > 0 && h('a', {class: 'button',
		href: '#labels'}, t('print_all')), can('manager') && h('a', {class: 'button', href: '#place'}, t('new_place')))),
	table(t('places'), [
		[t('code'), (p) => (can('manager') ? link(p.code, 'place', p.code) : h('code', null, p.code))],
		[t('label'), (p) => p.label],
		[t('outlet'), (p) => [link(p.box, 'box', p.box), ' · ' + p.outlet]],
		[t('tariff'), (p) => link(p.tariff, 'tariff', p.tariff)],
		[t('mode'), (p) => word('m.', p.mode || 'local')],
		['', (p) => [link(t('qr'), 'labels', p.code), can('manager') && ' ', can('manager') && act(t('remove') + ' …', () => dropPlace(p))], 'acts'],
	], rows, {key: (p) => p.code, empty: S.places.length ? t('none_found') : undefined})];
}

function dropPlace(p) {
	ask({title: t('ask_drop_place', p.code), lines: [p.label, t('ask_drop_place_t')], ok: t('remove'), danger: true, run: async () => {
		await api('DELETE', at('outlets', p.code));
		say(t('removed', p.code));
		S.places = S.places.filter((x) => x !== p);
		render();
	}});
}

async function loadPlace(code) {
	const view = S.view;
	await Promise.all([loadPlaces(), loadTariffs()]);
	const p = code && S.places.find((x) => x.code === code);
	if (code && !p)
		throw new Refused('not_found', code, 404);
	const minutes = (ms) => String(Math.round(ms / 60000));
	view.known = !!p;
	const boxes = [...S.boxes.keys()].sort();
	view.draft = p ? {code: p.code, box: p.box, outlet: String(p.outlet), tariff: p.tariff, label: p.label, mode: p.mode || 'local',
		hold: minutes(p.hold_ms || 600000), lease: minutes(p.lease_ms || 600000), full_a: plain((p.full_ma || 500) * 1000),
		full_min: minutes(p.full_ms || 600000)} : {code: '', box: boxes[0] || '', outlet: '1', tariff: (S.tariffs[0] || {id: ''}).id,
		label: '', mode: 'local', hold: '10', lease: '10', full_a: '0.5', full_min: '10'};
}

function placeView() {
	const view = S.view;
	const d = view.draft;
	const fields = [
		{name: 'code', label: t('code'), kind: 'word', most: 16, hint: t('code_hint'), readonly: view.known,
			check: (v) => (/^[A-Z0-9-]{1,16}$/.test(v) ? '' : t('v_code'))},
		{name: 'label', label: t('label'), hint: t('label_hint'), most: 40},
		{name: 'box', label: t('box'), kind: 'select', options: [...new Set([...S.boxes.keys(), d.box])].sort().map((b) => [b, b])},
		{name: 'outlet', label: t('outlet'), kind: 'int', min: 1, max: 16},
		{name: 'tariff', label: t('tariff'), kind: 'select', options: S.tariffs.map((f) => [f.id, f.id])},
		{name: 'mode', label: t('mode'), kind: 'select', options: ['local', 'remote'].map((m) => [m, t('m.' + m)])},
		{name: 'hold', label: t('hold'), kind: 'int', min: 1, max: 1440},
		d.mode === 'remote' && {name: 'lease', label: t('lease'), kind: 'int', min: 1, max: 1440},
		{name: 'full_a', label: t('full_a'), kind: 'money', above0: true},
		{name: 'full_min', label: t('full_min'), kind: 'int', min: 1, max: 1440},
	].filter(Boolean);
	fieldNumber = 0;
	const inputs = fields.map((f) => control({...f, value: d[f.name], oninput: (e) => {
		d[f.name] = e.target.value;
		if (f.name === 'mode')
			render();
	}}));
	return [head(view.known ? d.code : t('new_place')), h('div', {class: 'beside'},
		h('form', {class: 'pane', novalidate: true, onsubmit: (e, form) => savePlace(view, fields, form)},
			h('div', {class: 'fields'}, fields.map((f, i) => labelled(f, inputs[i]))),
			h('button', {class: 'main', type: 'submit'}, t('save'))),
		view.known && h('aside', null, labelCard({code: d.code, label: d.label}), h('p', null, link(t('print') + ' …', 'labels', d.code))))];
}

function savePlace(view, fields, form) {
	const v = {};
	for (const f of fields) {
		const input = form.elements[f.name];
		const [value, wrong] = read(f, input, v);
		input.setAttribute('aria-invalid', String(!!wrong));
		if (wrong) {
			input.focus();
			say(f.label + (lang === 'zh' ? '：' : ': ') + wrong);
			return;
		}
		v[f.name] = value;
	}
	const body = {box: v.box, outlet: v.outlet, tariff: v.tariff, label: v.label, mode: v.mode, hold_ms: v.hold * 60000,
		full_ma: Math.trunc(v.full_a / 1000), full_ms: v.full_min * 60000};
	if (v.mode === 'remote')
		body.lease_ms = v.lease * 60000;
	ask({title: t('ask_place', v.outlet, v.box, v.code), lines: [t('ask_place_t', v.tariff)], ok: t('save').replace(/ ?…/, ''),
		run: async () => {
			await api('PUT', at('outlets', v.code), body);
			say(t('saved_1', v.code));
			location.hash = '#places';
		}});
}

const labelCard = (p) => h('figure', {class: 'label', key: p.code}, h('b', null, p.label),
	h('img', {src: '/v1/operator/outlets/' + encodeURIComponent(p.code) + '/qr', alt: t('qr_of', p.code), width: 208, height: 233}));

function labelsView(code) {
	const rows = S.places.filter((p) => !code || p.code === code);
	return [h('div', {class: 'noprint'}, head(t('labels'), act(t('print'), () => print(), 'main'), link(t('places'), 'places'))),
		rows.length ? h('div', {class: 'labels'}, rows.map(labelCard)) : h('p', {class: 'empty'}, t('none'))];
}

// --- accounts ---
async function loadAccounts() {
	const view = S.view;
	const page = await api('GET', 'accounts' + (view.after ? '?after=' + encodeURIComponent(view.after) : ''));
	view.accounts = [...(view.accounts || []), ...page.accounts];
	view.after = page.next;
}

function accountsView() {
	const view = S.view;
	const text = (view.filter || '').toLowerCase();
	const rows = view.accounts.filter((a) => !text || (a.account + ' ' + (a.contact || '')).toLowerCase().includes(text));
	return [head(t('accounts'), filterBox(t('filter')), h('span', {class: 'row end'},
		act(t('find_account') + ' …', () => ask({title: t('find_account'), ok: t('find_account'), fields: [{name: 'account',
			label: t('account'), kind: 'word', most: 40}], run: async ({account}) => {
			await api('GET', at('accounts', account));
			location.hash = '#' + at('account', account);
		}})), can('manager') && act(t('new_account') + ' …', newAccount), act(t('check_books'), async (e, button) => {
			button.disabled = true;
			try {
				const check = await api('GET', 'check');
				view.books = check;
			} catch (error) {
				say(error.text);
			}
			button.disabled = false;
			render();
		}))),
	view.books && h('p', {class: view.books.ok ? 'note' : 'alert', role: 'status'}, view.books.ok ? t('books_ok') :
		t('books_bad', view.books.why)),
	table(t('accounts'), [
		[t('account'), (a) => link(a.account, 'account', a.account)],
		[t('contact'), (a) => a.contact || ''],
		[t('kind'), (a) => word('k.', a.kind)],
		[t('balance'), (a) => h('span', {class: a.balance_micros < 0 ? 'bad' : undefined}, money(a.balance_micros)), 'n'],
		[t('spendable'), (a) => money(a.spendable_micros), 'n'],
	], rows, {key: (a) => a.account, empty: view.accounts.length ? t('none_found') : undefined}),
	olderButton(loadAccounts, view.after, 'next')];
}

function newAccount() {
	ask({title: t('new_account'), ok: t('new_account'), fields: [{name: 'account', label: t('account'), kind: 'word', most: 40},
		{name: 'kind', label: t('kind'), kind: 'select', options: [['shared', t('k.shared')], ['bound', t('k.bound')]], value: 'shared'},
		{name: 'limit', label: t('overdraft'), kind: 'money', value: '0'}],
	run: async ({account, kind, limit}) => {
		await api('PUT', at('accounts', account), {kind, limit_micros: limit});
		location.hash = '#' + at('account', account);
	}});
}

async function loadAccount(account) {
	const view = S.view;
	const [a, page] = await Promise.all([api('GET', at('accounts', account)), api('GET', at('accounts', account, 'postings'))]);
	view.account = a;
	view.postings = page.postings;
	view.next = page.next;
}

function bookName(book) {
	const [kind, ...rest] = book.split(':');
	return TEXT.has('b.' + kind) ? t('b.' + kind, ...rest) : book;
}

/* A key is printable ASCII: other reasons travel as base64url of their UTF-8, and are shown as they were typed. */
function keyOf(reason, id) {
	if (/^[ !#-\[\]-~]*$/.test(reason))
		return 'desk-' + id + ' ' + reason;
	const bytes = String.fromCharCode(...new TextEncoder().encode(reason));
	return 'desk-' + id + ' =' + btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function keyText(key) {
	const m = /^(desk-[0-9a-f]{8}) =([A-Za-z0-9_-]+)$/.exec(key);
	if (!m)
		return key;
	try {
		const bytes = atob(m[2].replaceAll('-', '+').replaceAll('_', '/'));
		return m[1] + ' ' + new TextDecoder('utf-8', {fatal: true}).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
	} catch {
		return key;
	}
}

function move(kind) {
	const view = S.view;
	const a = view.account;
	const id = [...crypto.getRandomValues(new Uint8Array(4))].map((b) => b.toString(16).padStart(2, '0')).join('');
	ask({title: t('ask_' + kind, a.account), lines: [kind === 'recharge' ? t('ask_recharge_t', a.account) :
		t('ask_refund_t', a.account, money(a.balance_micros)), a.contact], ok: t(kind).replace(/ ?…/, ''), danger: kind === 'refund', fields: [
		{name: 'micros', label: t('amount') + (S.currency ? ', ' + S.currency : ''), kind: 'money', above0: true,
			check: (v) => (kind === 'refund' && v > a.balance_micros ? t('v_refund') : '')},
		{name: 'reason', label: t('reason'), hint: t('reason_hint'), check: (v) => (keyOf(v, id).length > 128 ? t('v_long') : '')},
		{name: 'sure', label: t('really_' + kind), kind: 'checkbox', need: true}],
	run: async ({micros, reason}) => {
		const after = await api('POST', at('accounts', a.account, kind + 's'), {micros, key: keyOf(reason, id)});
		say(t('booked', money(micros), a.account, money(after.balance_micros)));
		await loadAccount(a.account).catch(() => view.account = {...a, ...after});
		render();
	}});
}

function accountView() {
	const view = S.view;
	const a = view.account;
	return [head(a.account, a.contact && h('span', {class: 'soft'}, a.contact), can('manager') && h('span', {class: 'row end'},
		act(t('recharge'), () => move('recharge'), 'main'), act(t('refund'), () => move('refund'), 'danger'))),
	h('div', {class: 'pane'}, facts([[t('balance'), h('span', {class: a.balance_micros < 0 ? 'bad' : undefined}, money(a.balance_micros))],
		[t('spendable'), money(a.spendable_micros)], [t('kind'), word('k.', a.kind)],
		[t('overdraft'), a.kind === 'bound' ? money(a.limit_micros) : '']], 2)),
	h('section', null, h('div', {class: 'head'}, h('h2', null, t('postings'))), table(t('postings'), [
		['#', (p) => p.number, 'n'],
		[t('book_from'), (p) => bookName(p.from)],
		[t('book_to'), (p) => bookName(p.to)],
		[t('amount'), (p) => money(p.micros), 'n'],
		[t('order'), (p) => p.order && shortOrder(p.order)],
		[t('key'), (p) => h('span', {class: 'mono soft'}, keyText(p.key || ''))],
	], view.postings, {key: (p) => p.number}), olderButton(async () => {
		const page = await api('GET', at('accounts', a.account, 'postings') + '?before=' + encodeURIComponent(view.next));
		view.postings.push(...page.postings);
		view.next = page.next;
	}, view.next))];
}

// --- agreement ---
async function loadAgreement() {
	const view = S.view;
	const a = await api('GET', 'agreement');
	Object.assign(view, {draft: {en: a.en, zh: a.zh}, replaces: a.version});
}

function agreementView() {
	const view = S.view;
	const d = view.draft;
	const title = head(t('agreement'), h('span', {class: 'soft'}, t('version_n', view.replaces)));
	if (!can('manager'))
		return [title, h('div', {class: 'beside'}, h('div', {class: 'pane text', lang: 'en'}, d.en), h('div', {class: 'pane text',
			lang: 'zh-CN'}, d.zh))];
	const area = (name) => {
		const f = {name, label: t('text_' + name), kind: 'area', lang: name === 'zh' ? 'zh-CN' : 'en', value: d[name], oninput: (e) => {
			d[name] = e.target.value;
			view.dirty = true;
		}};
		return labelled(f, control(f));
	};
	return [title, h('form', {class: 'pane', onsubmit: () => saveAgreement(view)}, conflictNote(view, loadAgreement),
		area('en'), area('zh'), h('button', {class: 'main', type: 'submit'}, t('save')))];
}

function saveAgreement(view) {
	ask({title: t('ask_agreement', view.replaces + 1), lines: [t('ask_agreement_t')], ok: t('save').replace(/ ?…/, ''), run: async () => {
		try {
			const made = await api('PUT', 'agreement', {replaces: view.replaces, ...view.draft});
			view.replaces = made.version;
			view.dirty = false;
			say(t('saved', t('agreement'), made.version));
		} catch (error) {
			if (error.code !== 'conflict')
				throw error;
			view.conflict = (await api('GET', 'agreement')).version;
		}
		render();
	}});
}

// --- staff, acts, messages ---
async function loadStaff() {
	S.view.staff = (await api('GET', 'staff')).staff;
}

function staffView() {
	const fields = (m) => [...(m ? [] : [{name: 'name', label: t('name'), kind: 'word', most: 40}]),
		{name: 'role', label: t('role'), kind: 'select', options: ROLES.map((r) => [r, t('role.' + r)]), value: m ? m.role : 'operator'},
		{name: 'password', label: t('password'), kind: 'password', auto: 'new-password', hint: t('pw_hint'), most: 128}];
	const put = (m) => ask({title: m ? m.name : t('new_staff'), ok: t('save').replace(/ ?…/, ''), fields: fields(m), run: async (v) => {
		const name = m ? m.name : v.name;
		await api('PUT', at('staff', name), {role: v.role, password: v.password});
		say(t('saved_1', name));
		await loadStaff();
		render();
	}});
	return [head(t('staff'), act(t('new_staff') + ' …', () => put(null), 'end')), table(t('staff'), [
		[t('name'), (m) => m.name],
		[t('role'), (m) => t('role.' + m.role)],
		['', (m) => [act(t('change'), () => put(m)), ' ', act(t('remove') + ' …', () => ask({title: t('ask_drop_staff', m.name),
			lines: [t('ask_drop_staff_t')], ok: t('remove'), danger: true, run: async () => {
				await api('DELETE', at('staff', m.name));
				say(t('removed', m.name));
				await loadStaff();
				render();
			}}), 'danger')], 'acts'],
	], S.view.staff, {key: (m) => m.name})];
}

async function loadActs() {
	const view = S.view;
	const last = view.acts && view.acts[view.acts.length - 1];
	const page = await api('GET', 'acts' + (last ? '?before=' + last.number : ''));
	view.acts = [...(view.acts || []), ...page.acts];
	view.end = page.acts.length < 100;
}

function actsView() {
	const view = S.view;
	const text = (view.filter || '').toLowerCase();
	const rows = view.acts.filter((a) => !text || [a.who, a.what, a.subject, a.detail].some((v) => v && v.toLowerCase().includes(text)));
	return [head(t('acts'), filterBox(t('filter'))), table(t('acts'), [
		[t('time'), (a) => when(a.time), 'w'],
		[t('who'), (a) => a.who],
		[t('what'), (a) => word('c.', a.what)],
		[t('subject'), (a) => a.subject || ''],
		[t('detail'), (a) => a.detail || ''],
	], rows, {key: (a) => a.number, empty: view.acts.length ? t('none_found') : undefined}), olderButton(loadActs, !view.end)];
}

async function loadMessages() {
	const view = S.view;
	view.messages = (await api('GET', 'messages')).messages;
	clearTimeout(view.timer);
	view.timer = setTimeout(async () => {
		if (S.view !== view || !S.me)
			return;
		await loadMessages().catch(() => null);
		render();
	}, 5000);
}

function messagesView() {
	return [head(t('messages')), h('p', {class: 'note'}, t('msg_note')), table(t('messages'), [
		[t('time'), (m) => when(m.time), 'w'],
		[t('contact'), (m) => m.contact],
		[t('text'), (m) => m.text],
	], S.view.messages)];
}

// --- views by #hash ---
const VIEWS = {
	boxes: {view: boxesView, nav: true},
	sessions: {view: sessionsView, nav: true},
	alarms: {view: alarmsView, nav: true},
	tariffs: {view: tariffsView, load: loadTariffs, nav: true, rule: true},
	places: {view: placesView, load: loadPlaces, nav: true},
	accounts: {view: accountsView, load: loadAccounts, nav: true},
	agreement: {view: agreementView, load: loadAgreement, nav: true},
	acts: {view: actsView, load: loadActs, nav: true, rule: true},
	staff: {view: staffView, load: loadStaff, nav: true, role: 'manager'},
	messages: {view: messagesView, load: loadMessages, nav: true, role: 'manager'},
	box: {view: boxView, load: loadBox, of: 'boxes'},
	order: {view: orderView, load: async (number) => {
		const view = S.view;
		view.order = await api('GET', at('orders', number));
	}, of: 'sessions'},
	tariff: {view: tariffView, load: loadTariff, of: 'tariffs'},
	place: {view: placeView, load: loadPlace, of: 'places', role: 'manager'},
	labels: {view: labelsView, load: loadPlaces, of: 'places'},
	account: {view: accountView, load: loadAccount, of: 'accounts'},
};

async function go(focus = true) {
	const [name, ...rest] = location.hash.slice(1).split('/').map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	});
	const route = VIEWS[name] ? name : 'boxes';
	const view = {route, arg: rest[0], ready: false, wrong: ''};
	S.view = view;
	document.getElementById('main').replaceChildren();
	render();
	const wanted = VIEWS[route];
	try {
		if (wanted.role && !can(wanted.role))
			throw new Refused('forbidden', '');
		if (wanted.load)
			await wanted.load(view.arg);
		view.ready = true;
	} catch (error) {
		view.failed = error.text || String(error);
	}
	if (S.view !== view)
		return;
	render();
	scrollTo(0, 0);
	const title = document.querySelector('#main h1');
	if (focus && title && !document.getElementById('ask').open)
		title.focus();
}

let queued = 0;

/* Events come in bursts: they are drawn together. */
function later() {
	if (!queued)
		queued = setTimeout(render, 400);
}

function render() {
	clearTimeout(queued);
	queued = 0;
	document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
	renderTop();
	if (!S.me) {
		document.title = t('sign_in') + ' · meterbox';
		show('main', S.started && signInView());
		return;
	}
	const view = S.view;
	const wanted = VIEWS[view.route];
	document.title = (view.arg || t(view.route)) + ' · meterbox';
	if (view.failed)
		show('main', head(view.arg || t(view.route)), h('p', {class: 'alert', role: 'alert'}, view.failed), act(t('retry'), () => go()));
	else if (!view.ready)
		show('main', head(view.arg || t(view.route)), h('p', {class: 'soft'}, t('loading')));
	else
		show('main', wanted.view(view.arg));
}

function renderTop() {
	const since = stamp(stream.since).slice(-8);
	show('top', h('button', {type: 'button', class: 'skip', onclick: () => document.getElementById('main').focus()}, t('skip')),
		h('span', {class: 'brand'}, t('brand')),
		S.me && h('span', {id: 'live', class: stream.live ? '' : 'dead'}, stream.live ? t('live') : t('dead', since)),
		S.me && h('span', {class: 'soft'}, S.me.name + ' · ' + t('rs.' + S.me.role)),
		h('button', {type: 'button', class: 'plain', lang: lang === 'zh' ? 'en' : 'zh-CN', 'aria-label': t('lang_name'),
			onclick: changeLanguage}, t('lang')),
		S.me && act(t('sign_out'), signOut, 'plain'));
	const lost = document.getElementById('lost');
	const dead = !!S.me && !stream.live && Date.now() - stream.since > 4000;
	if (dead && lost.hidden)
		lost.textContent = t('lost', since);
	lost.hidden = !dead;
	document.body.className = S.me ? '' : 'out';
	const nav = document.getElementById('nav');
	nav.hidden = !S.me;
	nav.setAttribute('aria-label', t('nav'));
	if (!S.me)
		return;
	const seen = Number(stored('meterbox-alarms') || 0);
	const unread = S.alarms.filter((a) => a.number > seen && a.kind !== 'cleared').length;
	const bad = [...S.boxes.values()].filter((b) => troubles(b).length).length;
	const marks = {boxes: bad && h('b', {title: t('troubled')}, bad), sessions: S.open.size > 0 && h('b', {class: 'calm'}, S.open.size),
		alarms: unread > 0 && h('b', {'aria-label': t('unread', unread)}, unread)};
	const here = VIEWS[S.view.route] ? VIEWS[S.view.route].of || S.view.route : '';
	show('nav', h('ul', null, Object.entries(VIEWS).filter(([, v]) => v.nav && (!v.role || can(v.role))).map(([name, v]) =>
		h('li', {class: v.rule ? 'rule' : undefined}, h('a', {href: '#' + name, 'aria-current': here === name ? 'page' : undefined},
			t(name), marks[name] || '')))));
}

function changeLanguage() {
	lang = lang === 'zh' ? 'en' : 'zh';
	stored('meterbox-lang', lang);
	S.boxes = new Map([...S.boxes].map(([name, b]) => [name, {...b}])); // every row is to be built again
	document.getElementById('lost').hidden = true;
	render();
}

// --- signing in and out ---
function signInView() {
	return h('form', {class: 'signin', key: 'signin', novalidate: true, onsubmit: async (e, form) => {
		const wrong = form.querySelector('.alert');
		const button = form.querySelector('button');
		const {name, password} = form.elements;
		if (!name.value.trim() || !password.value) {
			(name.value.trim() ? password : name).focus();
			return;
		}
		button.disabled = true;
		wrong.textContent = '';
		try {
			const me = await api('POST', 'session', {name: name.value.trim(), password: password.value});
			start(me);
		} catch (error) {
			wrong.textContent = error.code === 'network' ? t('e.network_get') : error.text;
			wrong.hidden = false;
			password.select();
		}
		button.disabled = false;
	}}, h('h1', {tabindex: '-1'}, t('sign_in')),
	h('label', {class: 'field'}, h('span', null, t('name')), h('input', {name: 'name', type: 'text', autocomplete: 'username',
		autocapitalize: 'none', spellcheck: 'false'})),
	h('label', {class: 'field'}, h('span', null, t('password')), h('input', {name: 'password', type: 'password',
		autocomplete: 'current-password'})),
	h('p', {class: 'alert', role: 'alert', hidden: true, key: 'wrong', ver: 'kept'}),
	h('button', {class: 'main', type: 'submit'}, t('sign_in')));
}

function start(me) {
	forget();
	S.me = me;
	Object.assign(stream, {live: false, since: Date.now()});
	document.getElementById('main').replaceChildren();
	loadTariffs().then(later, () => null); // for the currency
	listen();
	go();
}

function signedOut() {
	hush();
	forget();
	if (document.getElementById('ask').open)
		document.getElementById('ask').close();
	document.getElementById('main').replaceChildren();
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
addEventListener('keydown', (event) => {
	const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.nodeName);
	const filter = document.getElementById('filter');
	if (event.key === '/' && filter && !typing && !event.ctrlKey && !event.metaKey && !document.getElementById('ask').open) {
		event.preventDefault();
		filter.focus();
	}
});
addEventListener('beforeunload', (event) => {
	if (S.view && S.view.dirty)
		event.preventDefault();
});
let wasWide = innerWidth > 720;
addEventListener('resize', () => {
	if (wasWide !== innerWidth > 720) {
		wasWide = innerWidth > 720;
		render();
	}
});
setInterval(() => {
	for (const time of document.querySelectorAll('time[data-ago]'))
		time.textContent = ago(time.dateTime);
	if (S.me && !stream.live)
		renderTop();
}, 5000);

(async () => {
	forget();
	render();
	try {
		start(await api('GET', 'session'));
	} catch (error) {
		S.started = true;
		render();
		document.querySelector('#main input').focus();
		if (error.status !== 401)
			say(error.text);
	}
})();
