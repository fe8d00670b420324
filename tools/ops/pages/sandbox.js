/* The sandbox provider's payment page: no money moves. What the buttons send comes back to the server as the provider's
 * signed message. */
'use strict';

const TEXTS = {
	title: ['Sandbox payment', '沙盒支付'],
	text: ['This is a test. No real money moves.', '这是测试页面，不会产生真实扣款。'],
	pay: ['Pay', '确认支付'],
	decline: ['Decline', '拒绝支付'],
	back: ['Back', '返回'],
	paid: ['Paid.', '支付成功。'],
	failed: ['Not paid.', '未支付。'],
	gone: ['There is no such payment.', '没有找到这笔支付。'],
	lost: ['No connection. Please try again.', '网络不通，请重试。'],
};
const $ = (id) => document.getElementById(id);
const search = new URLSearchParams(location.search);
const path = '/v1/sandbox/payments/' + location.pathname.split('/').pop();

let zh = /^zh/i.test(navigator.language);
try {
	zh = JSON.parse(localStorage.getItem('meterbox.lang') || (zh ? '"zh"' : '"en"')) === 'zh';
} catch (e) {
	/* A browser that keeps nothing: its own language. */
}
const t = (key) => TEXTS[key][zh ? 1 : 0];

/* As on the customer's page: the whole part is formatted, the digits are put in. */
function money(micros, currency) {
	const digits = String(micros % 1e6).padStart(6, '0').replace(/0{1,4}$/, '');
	const format = new Intl.NumberFormat(zh ? 'zh-CN' : 'en-GB', {style: 'currency', currency, minimumFractionDigits: digits.length, maximumFractionDigits: digits.length});
	return format.formatToParts((micros - micros % 1e6) / 1e6).map((part) => part.type === 'fraction' ? digits : part.value).join('');
}

async function call(options) {
	try {
		const response = await fetch(path, Object.assign({cache: 'no-store', credentials: 'same-origin'}, options));
		if (response.ok)
			return await response.json();
		$('result').textContent = t(response.status === 404 ? 'gone' : 'lost');
	} catch (e) {
		$('result').textContent = t('lost');
	}
	return null;
}

async function load() {
	const payment = await call({});
	if (!payment)
		return;
	$('amount').textContent = money(payment.micros, payment.currency);
	$('amount').hidden = false;
	$('pay').hidden = $('decline').hidden = payment.state !== 'pending';
	if (payment.state !== 'pending')
		$('result').textContent = t(payment.state);
	if (payment.state !== 'pending')
		$('back').classList.add('main');
}

let busy = false;

async function answer(id, pay) {
	if (busy)
		return;
	busy = true;
	$(id).setAttribute('aria-disabled', true);
	$('result').textContent = '';
	const done = await call({method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({pay})});
	busy = false;
	$(id).setAttribute('aria-disabled', false);
	if (done)
		await load();
	if (done && !$('back').hidden)
		$('back').focus();
}

document.documentElement.lang = zh ? 'zh-CN' : 'en';
document.title = $('title').textContent = t('title');
['text', 'pay', 'decline', 'back'].forEach((id) => { $(id).textContent = t(id); });
/* Only ever back to a page of this server. */
const back = search.get('back') || '/';
$('back').href = /^\/(o\/[A-Za-z0-9-]{1,16})?(#[\w/%.-]*)?$/.test(back) ? back : '/';
$('back').hidden = false;
$('pay').addEventListener('click', () => answer('pay', true));
$('decline').addEventListener('click', () => answer('decline', false));
load();
