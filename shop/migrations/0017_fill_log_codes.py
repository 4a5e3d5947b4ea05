"""Write the code of each event beside its label. ``fill_new_columns`` runs this again after an upgrade."""

from django.db import migrations

CODES = """
UPDATE shop_orderlog AS log SET code = pair.code FROM (VALUES
    ('pay', '付款'), ('pay_too_late', '付款（商品已无库存）'), ('start_payment', '支付'), ('cancel', '取消'),
    ('expire', '超时关闭'), ('close', '关闭'), ('invalidate', '作废'), ('prepare', '备货'), ('unprepare', '改为未发货'),
    ('ship', '发货'), ('unship', '撤销发货'), ('receive', '确认收货'), ('unreceive', '撤销收货'),
    ('nothing_to_ship', '无需发货'), ('ask_return', '退货'), ('approve_return', '同意退货'),
    ('reject_return', '拒绝退货'), ('refund', '退款'), ('refund_part', '部分退款'), ('refund_again', '重新退款'),
    ('refund_found', '微信侧退款'), ('refund_done', '退款成功'), ('refund_fail', '退款失败'), ('hide', '删除'),
    ('placed', '下单'), ('payment_started', '发起支付'), ('cancel_asked', '要求取消'), ('close_asked', '要求关闭'),
    ('invalidate_asked', '要求作废'), ('close_waits', '等待关单'), ('restored', '恢复备份'), ('moved_in', '迁入'),
    ('parcel', '修改快递'), ('receiver', '修改收货信息'), ('remark', '内部备注'), ('flag', '标记需关注'),
    ('unflag', '取消关注'), ('shipment_told', '短信通知发货'), ('refund_told', '短信通知退款'), ('not_told', '短信没有发出')
) AS pair (code, label) WHERE log.code = '' AND log.event = pair.label
"""


class Migration(migrations.Migration):
    dependencies = [("shop", "0016_log_codes")]

    operations = [migrations.RunSQL(CODES, migrations.RunSQL.noop)]
