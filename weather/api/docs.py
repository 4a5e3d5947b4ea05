"""What ``/docs/`` shows of the weather calls."""

from core.api.endpoint import Doc
from weather.api.params import AccountParams, WeatherParams
from weather.api.rows import WeatherJson
from weather.errors import (
    NoWeather,
    ProviderGarbled,
    ProviderRefused,
    ProviderSilent,
    WeatherTooOften,
)
from weather.gateway import AQI_KEYS

_ROW = {
    "_id": "680221d40000000000000001",
    "cityid": "101190101",
    "date": "2025-04-18",
    "week": "星期五",
    "update_time": "14:35",
    "city": "南京",
    "cityEn": "nanjing",
    "country": "中国",
    "countryEn": "China",
    "wea": "多云",
    "wea_img": "yun",
    "tem": "22",
    "tem1": "27",
    "tem2": "15",
    "win": "东南风",
    "win_speed": "2级",
    "win_meter": "9km/h",
    "humidity": "58%",
    "visibility": "14km",
    "pressure": "1009",
    "air": "46",
    "air_pm25": "46",
    "air_level": "优",
    "air_tips": "空气很好，可以外出活动，呼吸新鲜空气！",
    "alarm": {"alarm_type": "", "alarm_level": "", "alarm_content": ""},
    "aqi": dict.fromkeys(AQI_KEYS, "优")
    | {"update_time": "14:00", "air": "46", "air_tips": "空气很好。"}
    | {"pm25": "23", "pm10": "46", "o3": "88", "no2": "19", "so2": "6", "co": "0.6"}
    | {"kouzhao": "不用佩戴口罩", "yundong": "适宜运动", "waichu": "适宜外出"}
    | {"kaichuang": "适宜开窗", "jinghuaqi": "不需要打开"},
    "__v": 0,
}
_FOUND = {"msg": "获取成功", "message": "获取成功", "data": [_ROW]}

_ALARM = {"alarm_type": "大风", "alarm_level": "蓝色", "alarm_content": "南京市气象台发布大风蓝色预警信号。"}

GET_WEATHER = Doc(
    names=["", "History"],
    ok=[_FOUND, _FOUND | {"total": 1}, _FOUND | {"data": [_ROW | {"alarm": [_ALARM]}]}],
    records={"data": list[WeatherJson]},
    params=WeatherParams,
    failures=[
        WeatherTooOften,
        ProviderRefused("天气查询失败:城市不存在"),
        ProviderSilent,
        ProviderGarbled,
        NoWeather,
    ],
    about=(
        "不传参数返回默认城市最近一次的天气;`key=all` 返回全部历史天气,新的在前,可用 `page`、`count` 分页;"
        "`city=南京` 实时查询该城市,每个用户(未登入时按地址)一分钟一次。"
        "天气服务不可用时 `state` 为 false,`msg` 说明原因,`data` 带上该城市之前保存的天气(如果有)。"
    ),
)
UPDATE_ACCOUNT = Doc(
    ok={"msg": "修改成功"},
    params=AccountParams,
    failures=[ProviderRefused("天气查询失败:appid或appsecret错误"), ProviderSilent],
    send={"version": "v61", "appid": "12345678", "appsecret": "aBcDeFgH"},
    about="三个参数都要传;新账户先向天气服务试用一次,通过后才会保存。",
)
