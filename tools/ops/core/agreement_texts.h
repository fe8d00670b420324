/* tools/ops/core/agreement_texts.h: version 1 of the agreement, until the operator writes another.
 *
 * Room: nothing. Whatever stands here is true of this server and its boxes. */
#ifndef OPS_AGREEMENT_TEXTS_H
#define OPS_AGREEMENT_TEXTS_H

static const char built_in_en[] =
	"Using this outlet\n"
	"\n"
	"1. You buy electricity from the operator of this outlet at the price that is shown before you begin. It stays the "
	"same for your order; where it depends on the time of day, each price is for what you use while it applies.\n"
	"2. When you order, a part of your balance is held. You pay for what the meter counts, never more than was held. "
	"What is left is given back when your session has ended.\n"
	"3. Supply ends when you stop it, when the limit that you chose or your credit is reached, or when it must for "
	"safety. When it ends because the meter, the breaker or the memory of the box fails, you pay nothing for that "
	"session.\n"
	"4. Plug in only what is in good order and made for this outlet, keep its door closed, and take your plug out when "
	"you have finished, so that others can use it.\n"
	"5. Your phone number or e-mail address, your orders and your payments are kept, so that your account can be kept "
	"and questions about a bill can be answered.\n"
	"\n"
	"This text came with the program. The operator has not written one of its own yet.\n";

static const char built_in_zh[] =
	"插座使用协议\n"
	"\n"
	"1. 您向本插座的运营方购买电能，价格以开始前显示的为准，在您的订单期间不变；价格随时段变化的，"
	"各时段的用电按当时适用的价格计算。\n"
	"2. 下单时会冻结您的部分余额。您只需按电表计量付费，且不超过已冻结的金额；用电结束后，剩余部分退回余额。\n"
	"3. 您停止用电、达到您选择的限额、额度用完，或出于安全需要时，供电即结束。"
	"如果因电表、断路器或箱体存储发生故障而结束，该次用电不收费。\n"
	"4. 请只接入完好且适用于本插座的设备，保持箱门关闭；用完后请拔下插头，方便他人使用。\n"
	"5. 我们会保存您的手机号或电子邮箱、订单和付款记录，用于管理您的账户并答复账单疑问。\n"
	"\n"
	"本文本为程序自带，运营方尚未编写自己的协议。\n";

#endif
