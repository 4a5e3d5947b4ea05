"""What is known of the usual couriers: the form of their parcels' numbers, and their pages about a parcel."""

import re

# Staff may add couriers under any name; those are chosen by hand. Browsers use the same expressions.
NUMBERS = {
    "顺丰速运": r"^SF\d",
    "京东快递": r"^JD",
    "圆通速递": r"^YT\d",
    "极兔速递": r"^JT\d",
    "中通快递": r"^ZTO?\d|^7[3568]\d{12}$",
    "申通快递": r"^STO?\d|^77\d{11,13}$",
    "韵达快递": r"^YD\d|^4[36]\d{11}(\d\d)?$",
    "德邦快递": r"^DPK\d",
    "EMS": r"^E[A-Z]\d{9}CN$|^1[01]\d{11}$",
    "邮政快递包裹": r"^9[89]\d{11}$",
}
_PAGES = {
    "顺丰速运": "https://www.sf-express.com/chn/sc/waybill/waybill-detail/{}",
    "京东快递": "https://www.jdl.com/orderSearch/?waybillCodes={}",
    "中通快递": "https://www.zto.com/express/expressCheck.html?txtBill={}",
}


def courier_of(number: str) -> str:
    """Return the courier whose numbers look like this one, "" if none does."""
    return next((courier for courier, form in NUMBERS.items() if re.search(form, number)), "")


def parcel_page(courier: str, number: str) -> str:
    """Return the address of the courier's page about a parcel, "" where it has none."""
    return _PAGES[courier].format(number) if number and courier in _PAGES else ""
