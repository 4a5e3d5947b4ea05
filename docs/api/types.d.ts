// Made by `make api-files` from /schema/. import type { Order, Student } from "./types"

export interface paths {
    "/weather/getWeather": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取天气
         * @description 权限:所有人
         *
         *     不传参数返回默认城市最近一次的天气;`key=all` 返回全部历史天气,新的在前,可用 `page`、`count` 分页;`city=南京` 实时查询该城市,每个用户(未登入时按地址)一分钟一次。天气服务不可用时 `state` 为 false,`msg` 说明原因,`data` 带上该城市之前保存的天气(如果有)。
         */
        get: operations["get_weather_getWeather"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/weather/updateWeatherCount": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 修改天气账户信息
         * @description 权限:仅超级管理员
         *
         *     三个参数都要传;新账户先向天气服务试用一次,通过后才会保存。
         */
        get: operations["get_weather_updateWeatherCount"];
        put?: never;
        /**
         * 修改天气账户信息
         * @description 权限:仅超级管理员
         *
         *     三个参数都要传;新账户先向天气服务试用一次,通过后才会保存。
         */
        post: operations["post_weather_updateWeatherCount"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/upload/uploadImg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 上传图片
         * @description 权限:所有人
         *
         *     支持 JPG、PNG、GIF、WebP,按内容判断,与文件名无关;不超过 5MB、4000 万像素。图片会重新编码,不保留拍摄地点等附加信息,长边超过 4096 像素的会缩小。24 小时内没有被任何数据引用的图片会被清理,这样的图片太多时不能再上传。答复 503 或 429 时,请在 `Retry-After` 秒之后重试。
         */
        post: operations["post_upload_uploadImg"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/getloginlog": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取登入日志
         * @description 权限:按角色权限
         */
        get: operations["get_getloginlog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/getclasses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取班级列表
         * @description 权限:按角色权限
         */
        get: operations["get_students_getclasses"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/getstulist": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取学员信息
         * @description 权限:按角色权限
         *
         *     最新的在前。`total` 是符合条件的总数,与分页无关。不传 `count` 时返回全部,最多 1000 条。
         */
        get: operations["get_students_getstulist"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/addstu": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 增加学员信息
         * @description 权限:按角色权限
         */
        post: operations["post_students_addstu"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/delstu": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除学员信息
         * @description 权限:按角色权限
         */
        get: operations["get_students_delstu"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/updatestu": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 修改学员信息
         * @description 权限:按角色权限
         *
         *     只修改传递的字段,空值视为没有传递;`_id`、`cTime`、`__v` 不会被修改。
         */
        post: operations["post_students_updatestu"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/searchstu": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 搜索学员
         * @description 权限:按角色权限
         *
         *     按姓名查找,最新的在前。`key` 按原样匹配姓名中的任意一段,区分大小写;不传则返回全部。
         */
        get: operations["get_students_searchstu"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/students/uploadStuAvatar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 上传学员头像
         * @description 权限:所有人
         */
        post: operations["post_students_uploadStuAvatar"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/getCaptcha": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取验证码
         * @description 权限:所有人
         *
         *     `img` 是一个 SVG 元素,直接放入页面即可。5 分钟内有效,只能校验一次。
         */
        get: operations["get_users_getCaptcha"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/refreshCaptcha": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 刷新验证码
         * @description 权限:所有人
         *
         *     `img` 是一个 SVG 元素,直接放入页面即可。5 分钟内有效,只能校验一次。
         */
        get: operations["get_users_refreshCaptcha"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/verifyCaptcha": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 校验验证码
         * @description 权限:所有人
         */
        get: operations["get_users_verifyCaptcha"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/getAllUers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取所有用户
         * @description 权限:按角色权限
         *
         *     也可以写作 `/users/getAllUsers`
         */
        get: operations["get_users_getAllUers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 用户注册
         * @description 权限:仅超级管理员
         *
         *     也可以写作 `/users/addUser`
         */
        post: operations["post_users_register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 用户登入
         * @description 权限:所有人
         *
         *     之后的请求都在请求头 `authorization` 中携带返回的 `token`。密码错误次数过多时返回 HTTP 429,`Retry-After` 是需要等待的秒数。
         *
         *     短信登入:先 `/sms/send`,再 `POST /users/login?type=sms`,请求体只有短信中的 `code`(不能带 cookie 的客户端再加 `/sms/send` 返回的 `key`)。
         */
        post: operations["post_users_login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sms/send": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 发送短信验证码
         * @description 权限:所有人
         *
         *     验证码 5 位,1 小时内有效,用对一次或输错 5 次后作废。同一手机号每分钟 1 条、每天 10 条。发得多了 `msg` 是 `请先输入图形验证码`:带上 `captcha` 与 `/users/getCaptcha` 的 `key` 再发一次。沙箱中的短信在 `/sandbox/sms/` 查看。
         */
        post: operations["post_sms_send"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/getQrcode": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取扫码登入的二维码地址
         * @description 权限:所有人
         *
         *     把 `scanCodeUrl` 画成二维码给用户扫。先连接 socket (见 `/docs/socket/`) 才有 `sid`;同一个 `sid` 再次请求时,之前的二维码作废。二维码只能用一次,2 分钟内有效,过期后 socket 会收到 `invalidCode`。
         *
         *     也可以写作 `/users/getScancode`
         */
        get: operations["get_users_getQrcode"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/wechatCallBack": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 微信授权后的跳转页
         * @description 权限:所有人
         *
         *     由用户的手机打开,前端不调用。浏览器得到一个页面,其他客户端得到 JSON。微信以快照页打开时二维码不作废:用户轻触“使用完整服务”并允许后,登入继续。
         */
        get: operations["get_users_wechatCallBack"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/wechatLogin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 微信登入
         * @description 权限:所有人
         *
         *     返回值与账号登入相同。第一次登入的微信用户会成为 `200` 角色的新用户。每个 `wechatCode` 只能用一次。
         */
        get: operations["get_users_wechatLogin"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/sigout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 退出登入
         * @description 权限:登录用户
         *
         *     令牌立即失效。
         *
         *     也可以写作 `/users/signout`
         */
        get: operations["get_users_sigout"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/uploadAvatar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 上传用户头像
         * @description 权限:登录用户
         *
         *     只能上传自己的头像;root 可以上传任何人的头像。
         */
        post: operations["post_users_uploadAvatar"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 校验登入状态
         * @description 权限:登录用户
         */
        get: operations["get_verify"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/updatePassword": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 修改用户密码
         * @description 权限:登录用户
         *
         *     只能修改自己的密码;root 可以修改任何人的密码,可以不传 `oldPassword`,传了就会校验。修改后该用户的所有令牌失效,需要重新登入。
         */
        post: operations["post_users_updatePassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/updateUser": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 修改用户信息
         * @description 权限:登录用户
         *
         *     只修改传递的字段;只能修改自己,root 可以修改任何人。修改密码需要 `oldPassword`(root 不需要),修改后令牌失效。
         *
         *     手机号:只传 `phone` 会保存并显示,但不能用它短信登入。要能登入:先 `/sms/send` 到新手机号,再同时传 `phone`、`oldPassword` 与短信中的 `code`(不能带 cookie 的客户端再加 `key`)。root 设置的手机号直接可以登入。更换能登入的手机号需要 `oldPassword`,原手机号会收到通知。角色 1 不能短信登入。
         */
        post: operations["post_users_updateUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/deleteUser": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除用户
         * @description 权限:仅超级管理员
         *
         *     `unid` 可以重复或用逗号隔开,一次删除多个:全部删除,或一个也不删。订单、支付与登入日志保留(不再指向用户),令牌立即失效,购物车与头像一并删除。
         */
        get: operations["get_users_deleteUser"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/permission/addrole": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 添加角色
         * @description 权限:仅超级管理员
         */
        post: operations["post_permission_addrole"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/permission/getrole": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取角色列表
         * @description 权限:按角色权限
         */
        get: operations["get_permission_getrole"];
        put?: never;
        /**
         * 获取角色列表
         * @description 权限:按角色权限
         */
        post: operations["post_permission_getrole"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/permission/getMenuList": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取权限菜单
         * @description 权限:登录用户
         */
        get: operations["get_permission_getMenuList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/category/addCategory": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 增加类目
         * @description 权限:按角色权限
         */
        post: operations["post_category_addCategory"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/category/delCategory": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除类目(慎用)
         * @description 权限:按角色权限
         *
         *     类目下还有商品时拒绝删除,除非传递 `force=1`;商品会保留原来的 `category_id`。
         */
        get: operations["get_category_delCategory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/category/updateCategory": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 修改类目
         * @description 权限:按角色权限
         */
        post: operations["post_category_updateCategory"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/category/getCategory": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取类目
         * @description 权限:登录用户
         */
        get: operations["get_category_getCategory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/product/add_product": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 添加商品
         * @description 权限:按角色权限
         */
        post: operations["post_product_add_product"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/product/update_product": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 修改商品信息
         * @description 权限:按角色权限
         *
         *     按 `product_id` 查找,只修改传递的字段;`inventory` 设定此后可售的数量。
         */
        post: operations["post_product_update_product"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/product/get_product": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取商品信息
         * @description 权限:登录用户
         */
        get: operations["get_product_get_product"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/product/del_product": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除商品
         * @description 权限:按角色权限
         *
         *     已有的订单不受影响。
         */
        get: operations["get_product_del_product"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cart/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 购物车选中商品
         * @description 权限:登录用户
         *
         *     恰好选中传递的商品,多个 id 以逗号隔开;其余的取消选中。
         *
         *     也可以写作 `/cart/check_cart`
         */
        post: operations["post_cart_check"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cart/get_cart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 获取购物车数据
         * @description 权限:登录用户
         */
        get: operations["get_cart_get_cart"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cart/del_prouct": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除购物车商品
         * @description 权限:登录用户
         *
         *     也可以写作 `/cart/del_product`、`/cart/del_cart`
         */
        get: operations["get_cart_del_prouct"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cart/update_cart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 更新购物车数据
         * @description 权限:登录用户
         */
        post: operations["post_cart_update_cart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cart/add_to_cart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 增加商品到购物车
         * @description 权限:登录用户
         *
         *     购物车中已有该商品时数量相加。`count` 也可以写作 `quantity`,`product_id` 也可以写作 `cart_id`。
         */
        post: operations["post_cart_add_to_cart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pay/pre_order": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 生成预支付订单(2 分钟后失效)
         * @description 权限:登录用户
         *
         *     传 `product_id` 直接购买;不传则购买购物车中选中的商品。库存立即占用,一种不足则全部不下单。超过 2 分钟未付款的订单自动关闭。
         *
         *     也可以写作 `/order/pre_order`
         */
        post: operations["post_pay_pre_order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/query_order_status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 查询订单支付状态(可轮询)
         * @description 权限:登录用户
         *
         *     可以轮询;没有收到微信通知时,每个订单最多 5 秒向微信查询一次。
         */
        get: operations["get_order_query_order_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/get_order": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 查询订单详情
         * @description 权限:登录用户
         *
         *     传 `order_id` 得到一个对象,不传得到自己的所有订单,新的在前。
         *
         *     `order_status`:0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货;`pay_status`:0未支付 1已支付;`shiping_status`:0未发货 1已发货 2已收货 3备货中。
         */
        get: operations["get_order_get_order"];
        put?: never;
        /**
         * 查询订单详情
         * @description 权限:登录用户
         *
         *     传 `order_id` 得到一个对象,不传得到自己的所有订单,新的在前。
         *
         *     `order_status`:0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货;`pay_status`:0未支付 1已支付;`shiping_status`:0未发货 1已发货 2已收货 3备货中。
         */
        post: operations["post_order_get_order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/del_order": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 删除订单
         * @description 权限:登录用户
         *
         *     只对买家隐藏已关闭或已完成的订单,记录保留;未付款的订单先取消再隐藏。
         */
        get: operations["get_order_del_order"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 取消订单
         * @description 权限:登录用户
         */
        get: operations["get_order_cancel"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/ship": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 发货配送(买家只能确认收货)
         * @description 权限:登录用户
         *
         *     需要角色有此接口的权限;买家本人只能对已发货的订单传 `action=2`(确认收货)。
         */
        get: operations["get_order_ship"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/order/returns": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 退货
         * @description 权限:登录用户
         *
         *     未发货的订单立即申请原路退款;已发货的由后台处理。商户没有配好退款(微信支付 v3)时不受理。
         */
        post: operations["post_order_returns"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pay/payment": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 发起支付
         * @description 权限:登录用户
         *
         *     金额取自订单。对同一未付款订单重复调用得到同一个 `code_url`。`JSAPI` 需要 `openid`。
         */
        post: operations["post_pay_payment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pay/transactions/out-trade-no/{out_trade_no}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * 通过订单查询支付状态
         * @description 权限:登录用户
         *
         *     以商户密钥向微信支付 v3 查询,原样返回其答复;若已支付则同时更新订单。错误带文档中的 `code` 与 `solution`。
         *
         *     也可以写作 `/v3/pay/transactions/out-trade-no/{out_trade_no}`
         */
        get: operations["get_pay_transactions_out_trade_no_{out_trade_no}"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pay/payResult": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 微信支付结果通知(v2)
         * @description 权限:所有人
         *
         *     由微信支付 v2 调用(XML),前端不调用。处理成功返回 SUCCESS,否则返回 FAIL 和原因,微信会重发。
         */
        post: operations["post_pay_payResult"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pay/notify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * 微信支付结果通知(v3)
         * @description 权限:所有人
         *
         *     由微信支付 v3 调用(JSON),前端不调用。处理成功返回 200,签名不对返回 401,其余失败 400 或 500,微信会重发。
         */
        post: operations["post_pay_notify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Alarm: {
            alarm_type: string;
            alarm_level: string;
            alarm_content: string;
        };
        Aqi: {
            update_time: string;
            air: string;
            air_level: string;
            air_tips: string;
            pm25: string;
            pm25_desc: string;
            pm10: string;
            pm10_desc: string;
            o3: string;
            o3_desc: string;
            no2: string;
            no2_desc: string;
            so2: string;
            so2_desc: string;
            co: string;
            co_desc: string;
            kouzhao: string;
            yundong: string;
            waichu: string;
            kaichuang: string;
            jinghuaqi: string;
        };
        CartAddToCartAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        CartCheckAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        CartDelProuctAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        CartGetCartAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            data: components["schemas"]["CartRow"][];
        };
        CartRow: {
            _id: string;
            unid: string;
            /** @description 与 product_id 相同 */
            cart_id: string;
            product_id: string;
            title: string;
            productName: string;
            /** @description 单价,元 */
            price: number;
            imageUrl: string;
            quantity: number;
            /** @description 与 quantity 相同 */
            count: number;
            isChecked: boolean;
            isOnSale: boolean;
            /** @description 可售件数 */
            inventory: number;
            /** @description 2020-12-31,12:59:59 */
            create_time: string;
            __v: number;
        };
        CartUpdateCartAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        Category: {
            /** @description 2020-12-31,12:59:59 */
            updateTime: string | null;
            updator: string | null;
            _id: string;
            category_id: string;
            categoryName: string;
            categoryImgurl: string;
            creator: string;
            /** @description 2020-12-31,12:59:59 */
            createTime: string;
            __v: number;
        };
        CategoryAddCategoryAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            category_id: string;
        };
        CategoryDelCategoryAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        CategoryGetCategoryAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            data: components["schemas"]["Category"][];
        };
        CategoryUpdateCategoryAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        Failure: {
            status: number;
            /** @enum {boolean} */
            state: false;
            /** @description 原因,可以直接显示给用户 */
            msg: string;
            /** @description 只在没有登入、没有权限和微信支付的错误中出现 */
            code?: string;
        };
        GetloginlogAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            data: components["schemas"]["LoginLogEntry"][];
        };
        LoginLogEntry: {
            _id: string;
            username: string;
            lastLogin: components["schemas"]["LoginMoment"];
            nowLogin: components["schemas"]["LoginMoment"];
            __v: number;
        };
        LoginMoment: {
            /** @description 2019/05/13 20:36:26,没有时为空 */
            loginTime: string;
            ip: string;
        };
        MenuEntry: {
            name: string;
            children?: components["schemas"]["MenuEntry"][];
        };
        Order: {
            _id: string;
            order_id: string;
            /** @description 0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货 */
            order_status: number;
            /** @description 0未支付 1已支付 */
            pay_status: number;
            /** @description 0未发货 1已发货 2已收货 3备货中 */
            shiping_status: number;
            state_text: string;
            note: string;
            /** @description 应付金额,元 */
            total_fee: number;
            unid: string;
            username: string;
            user_nickname: string;
            /** @description 收货电话 */
            user_phone: string;
            /** @description 与 user_phone 相同 */
            phone: string;
            address: string;
            /** @description 收件人,下单时没有填写则为空 */
            recipient: string;
            /** @description 快递公司,没有时为空 */
            express_company: string;
            /** @description 快递单号,没有时为空 */
            express_no: string;
            /** @description 2020-12-31,12:59:59 */
            create_time: string;
            /** @description 2020-12-31,12:59:59 */
            createTime: string;
            /** @description 付款截止时间,只有待付款的订单才有 */
            expire_time: string | null;
            /** @description 2020-12-31,12:59:59 */
            pay_time: string | null;
            /** @description 微信支付订单号,没有时为空 */
            transaction_id: string;
            orderDetail: components["schemas"]["OrderRow"][];
            __v: number;
        };
        OrderCancelAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        OrderDelOrderAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        OrderGetOrderAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            data: components["schemas"]["Order"];
        };
        OrderGetOrderAnswer2: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            data: components["schemas"]["Order"][];
        };
        OrderQueryOrderStatusAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            order_id: string;
            order_status: number;
            pay_status: number;
            shiping_status: number;
            state_text: string;
            note: string;
        };
        OrderReturnsAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        OrderRow: {
            _id: string;
            order_id: string;
            product_id: string;
            title: string;
            productName: string;
            /** @description 单价,元 */
            price: number;
            quantity: number;
            /** @description 与 quantity 相同 */
            count: number;
            /** @description 小计,元 */
            subtotal: number;
            description: string;
            imageUrl: string;
            __v: number;
        };
        OrderShipAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        PayPaymentAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            prepay_id: string;
            trade_type: string;
            code_url: string;
        };
        PayPaymentAnswer2: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            prepay_id: string;
            trade_type: string;
            appId: string;
            timeStamp: string;
            nonceStr: string;
            package: string;
            signType: string;
            paySign: string;
        };
        PayPaymentAnswer3: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            prepay_id: string;
            trade_type: string;
            appid: string;
            prepayid: string;
            sign: string;
        };
        PayPreOrderAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            order_id: string;
        };
        PayTransactionsOutTradeNoAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            appid: string;
            mchid: string;
            out_trade_no: string;
            trade_state: string;
            trade_state_desc: string;
        };
        Permission: {
            /** @description 角色可用的按钮 */
            buttons: ("read" | "add" | "edit" | "delete")[];
        };
        PermissionAddroleAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        PermissionGetMenuListAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            roleName: string;
            menuList: components["schemas"]["MenuEntry"][];
        };
        PermissionGetroleAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            roles: components["schemas"]["Role"][];
        };
        Product: {
            /** @description 2020-12-31,12:59:59 */
            updateTime: string | null;
            updator: string | null;
            _id: string;
            product_id: string;
            category_id: string;
            categoryName: string;
            productName: string;
            /** @description 单价,元 */
            price: number;
            description: string;
            /** @description 可售件数 */
            inventory: number;
            imageUrl: string;
            creator: string;
            /** @description 2020-12-31,12:59:59 */
            createTime: string;
            __v: number;
        };
        ProductAddProductAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            product_id: string;
        };
        ProductDelProductAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        ProductGetProductAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            data: components["schemas"]["Product"][];
        };
        ProductUpdateProductAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        Role: {
            roleid: string;
            roleName: string;
        };
        SmsSendAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            key: string;
        };
        Student: {
            _id: string;
            name: string;
            /** @description 头像地址,没有时为空 */
            headimgurl: string;
            /** @description 年龄,字符串 */
            age: string;
            /** @description 班级 */
            class: string;
            city: string;
            /** @description 学历 */
            degree: string;
            /** @description 项目地址 */
            productUrl: string;
            /** @description 自我评价 */
            description: string;
            /** @description 创建时间,2019/05/09 02:14:12 */
            cTime: string;
            /** @description 学号 */
            sId: string;
            __v: number;
        };
        StudentsAddstuAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            sId: string;
        };
        StudentsDelstuAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        StudentsGetclassesAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            data: string[];
        };
        StudentsGetstulistAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            data: components["schemas"]["Student"][];
        };
        StudentsSearchstuAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            total: number;
            data: components["schemas"]["Student"][];
        };
        StudentsUpdatestuAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        StudentsUploadStuAvatarAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            headimgurl: string;
        };
        UploadUploadImgAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            imgUrl: string;
        };
        User: {
            _id: string;
            unid: string;
            username: string;
            nickname: string;
            phone: string;
            headimgurl: string;
            sex: string;
            city: string;
            province: string;
            country: string;
            roleid: string;
            roleName: string;
            /** @description 当前 VIP 等级,0 为没有 */
            vipLevel: number;
            /** @description 2023-05-24 11:46:00,没有时为空 */
            vipExpires: string;
            /** @description 到期时间,毫秒;没有时为 0 */
            vipStamp: number;
            /**
             * @description 1 正常,0 停用
             * @enum {string}
             */
            status: "1" | "0";
        };
        UsersDeleteUserAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersGetAllUersAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            total: number;
            users: components["schemas"]["User"][];
        };
        UsersGetCaptchaAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            img: string;
            key: string;
        };
        UsersGetQrcodeAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            scanCodeUrl: string;
        };
        UsersLoginAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            token: string;
            permission: components["schemas"]["Permission"];
            userInfo: components["schemas"]["User"];
        };
        UsersRefreshCaptchaAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            img: string;
            key: string;
        };
        UsersRegisterAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            userInfo: components["schemas"]["User"];
        };
        UsersSigoutAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersUpdatePasswordAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersUpdateUserAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersUploadAvatarAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            headimgurl: string;
            imgurl: string;
        };
        UsersVerifyCaptchaAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersWechatCallBackAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
        UsersWechatLoginAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            token: string;
            permission: components["schemas"]["Permission"];
            userInfo: components["schemas"]["User"];
        };
        VerifyAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            decode: {
                username: string;
                nickname: string;
                unid: string;
                roleid: string;
                iat: number;
                exp: number;
            };
        };
        Weather: {
            _id: string;
            cityid: string;
            date: string;
            week: string;
            update_time: string;
            city: string;
            cityEn: string;
            country: string;
            countryEn: string;
            wea: string;
            wea_img: string;
            tem: string;
            tem1: string;
            tem2: string;
            win: string;
            win_speed: string;
            win_meter: string;
            humidity: string;
            visibility: string;
            pressure: string;
            air: string;
            air_pm25: string;
            air_level: string;
            air_tips: string;
            alarm: components["schemas"]["Alarm"] | components["schemas"]["Alarm"][];
            aqi: components["schemas"]["Aqi"];
            __v: number;
        };
        WeatherGetWeatherAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            message: string;
            data: components["schemas"]["Weather"][];
        };
        WeatherGetWeatherAnswer2: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
            message: string;
            data: components["schemas"]["Weather"][];
            total: number;
        };
        WeatherUpdateWeatherCountAnswer: {
            status: number;
            /** @enum {boolean} */
            state: true;
            msg: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type Alarm = components['schemas']['Alarm'];
export type Aqi = components['schemas']['Aqi'];
export type CartAddToCartAnswer = components['schemas']['CartAddToCartAnswer'];
export type CartCheckAnswer = components['schemas']['CartCheckAnswer'];
export type CartDelProuctAnswer = components['schemas']['CartDelProuctAnswer'];
export type CartGetCartAnswer = components['schemas']['CartGetCartAnswer'];
export type CartRow = components['schemas']['CartRow'];
export type CartUpdateCartAnswer = components['schemas']['CartUpdateCartAnswer'];
export type Category = components['schemas']['Category'];
export type CategoryAddCategoryAnswer = components['schemas']['CategoryAddCategoryAnswer'];
export type CategoryDelCategoryAnswer = components['schemas']['CategoryDelCategoryAnswer'];
export type CategoryGetCategoryAnswer = components['schemas']['CategoryGetCategoryAnswer'];
export type CategoryUpdateCategoryAnswer = components['schemas']['CategoryUpdateCategoryAnswer'];
export type Failure = components['schemas']['Failure'];
export type GetloginlogAnswer = components['schemas']['GetloginlogAnswer'];
export type LoginLogEntry = components['schemas']['LoginLogEntry'];
export type LoginMoment = components['schemas']['LoginMoment'];
export type MenuEntry = components['schemas']['MenuEntry'];
export type Order = components['schemas']['Order'];
export type OrderCancelAnswer = components['schemas']['OrderCancelAnswer'];
export type OrderDelOrderAnswer = components['schemas']['OrderDelOrderAnswer'];
export type OrderGetOrderAnswer = components['schemas']['OrderGetOrderAnswer'];
export type OrderGetOrderAnswer2 = components['schemas']['OrderGetOrderAnswer2'];
export type OrderQueryOrderStatusAnswer = components['schemas']['OrderQueryOrderStatusAnswer'];
export type OrderReturnsAnswer = components['schemas']['OrderReturnsAnswer'];
export type OrderRow = components['schemas']['OrderRow'];
export type OrderShipAnswer = components['schemas']['OrderShipAnswer'];
export type PayPaymentAnswer = components['schemas']['PayPaymentAnswer'];
export type PayPaymentAnswer2 = components['schemas']['PayPaymentAnswer2'];
export type PayPaymentAnswer3 = components['schemas']['PayPaymentAnswer3'];
export type PayPreOrderAnswer = components['schemas']['PayPreOrderAnswer'];
export type PayTransactionsOutTradeNoAnswer = components['schemas']['PayTransactionsOutTradeNoAnswer'];
export type Permission = components['schemas']['Permission'];
export type PermissionAddroleAnswer = components['schemas']['PermissionAddroleAnswer'];
export type PermissionGetMenuListAnswer = components['schemas']['PermissionGetMenuListAnswer'];
export type PermissionGetroleAnswer = components['schemas']['PermissionGetroleAnswer'];
export type Product = components['schemas']['Product'];
export type ProductAddProductAnswer = components['schemas']['ProductAddProductAnswer'];
export type ProductDelProductAnswer = components['schemas']['ProductDelProductAnswer'];
export type ProductGetProductAnswer = components['schemas']['ProductGetProductAnswer'];
export type ProductUpdateProductAnswer = components['schemas']['ProductUpdateProductAnswer'];
export type Role = components['schemas']['Role'];
export type SmsSendAnswer = components['schemas']['SmsSendAnswer'];
export type Student = components['schemas']['Student'];
export type StudentsAddstuAnswer = components['schemas']['StudentsAddstuAnswer'];
export type StudentsDelstuAnswer = components['schemas']['StudentsDelstuAnswer'];
export type StudentsGetclassesAnswer = components['schemas']['StudentsGetclassesAnswer'];
export type StudentsGetstulistAnswer = components['schemas']['StudentsGetstulistAnswer'];
export type StudentsSearchstuAnswer = components['schemas']['StudentsSearchstuAnswer'];
export type StudentsUpdatestuAnswer = components['schemas']['StudentsUpdatestuAnswer'];
export type StudentsUploadStuAvatarAnswer = components['schemas']['StudentsUploadStuAvatarAnswer'];
export type UploadUploadImgAnswer = components['schemas']['UploadUploadImgAnswer'];
export type User = components['schemas']['User'];
export type UsersDeleteUserAnswer = components['schemas']['UsersDeleteUserAnswer'];
export type UsersGetAllUersAnswer = components['schemas']['UsersGetAllUersAnswer'];
export type UsersGetCaptchaAnswer = components['schemas']['UsersGetCaptchaAnswer'];
export type UsersGetQrcodeAnswer = components['schemas']['UsersGetQrcodeAnswer'];
export type UsersLoginAnswer = components['schemas']['UsersLoginAnswer'];
export type UsersRefreshCaptchaAnswer = components['schemas']['UsersRefreshCaptchaAnswer'];
export type UsersRegisterAnswer = components['schemas']['UsersRegisterAnswer'];
export type UsersSigoutAnswer = components['schemas']['UsersSigoutAnswer'];
export type UsersUpdatePasswordAnswer = components['schemas']['UsersUpdatePasswordAnswer'];
export type UsersUpdateUserAnswer = components['schemas']['UsersUpdateUserAnswer'];
export type UsersUploadAvatarAnswer = components['schemas']['UsersUploadAvatarAnswer'];
export type UsersVerifyCaptchaAnswer = components['schemas']['UsersVerifyCaptchaAnswer'];
export type UsersWechatCallBackAnswer = components['schemas']['UsersWechatCallBackAnswer'];
export type UsersWechatLoginAnswer = components['schemas']['UsersWechatLoginAnswer'];
export type VerifyAnswer = components['schemas']['VerifyAnswer'];
export type Weather = components['schemas']['Weather'];
export type WeatherGetWeatherAnswer = components['schemas']['WeatherGetWeatherAnswer'];
export type WeatherGetWeatherAnswer2 = components['schemas']['WeatherGetWeatherAnswer2'];
export type WeatherUpdateWeatherCountAnswer = components['schemas']['WeatherUpdateWeatherCountAnswer'];
export type $defs = Record<string, never>;
export interface operations {
    get_weather_getWeather: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description `all` 返回全部历史天气 */
                key?: string;
                /** @description 城市名,不带市,如 南京 */
                city?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WeatherGetWeatherAnswer"] | components["schemas"]["WeatherGetWeatherAnswer2"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_weather_updateWeatherCount: {
        parameters: {
            query: {
                /** @description 接口版本,如 v61 */
                version: string;
                /** @description 账号的 id */
                appid: string;
                /** @description 账号的 secret */
                appsecret: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WeatherUpdateWeatherCountAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_weather_updateWeatherCount: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 接口版本,如 v61 */
                    version: string | number;
                    /** @description 账号的 id */
                    appid: string | number;
                    /** @description 账号的 secret */
                    appsecret: string | number;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 接口版本,如 v61 */
                    version: string;
                    /** @description 账号的 id */
                    appid: string;
                    /** @description 账号的 secret */
                    appsecret: string;
                };
                "multipart/form-data": {
                    /** @description 接口版本,如 v61 */
                    version: string;
                    /** @description 账号的 id */
                    appid: string;
                    /** @description 账号的 secret */
                    appsecret: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WeatherUpdateWeatherCountAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_upload_uploadImg: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description 图片文件
                     */
                    img: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadUploadImgAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_getloginlog: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每次返回几条,默认返回 10 */
                count?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetloginlogAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_students_getclasses: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsGetclassesAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_students_getstulist: {
        parameters: {
            query?: {
                /** @description 班级,默认全部班级 */
                class?: string;
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description 姓名中的任意一段 */
                key?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsGetstulistAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_students_addstu: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 班级 */
                    class: string | number;
                    /** @description 学员的名字 */
                    name: string | number;
                    /** @description 学员的年龄 */
                    age: number | string;
                    /** @description 目前居住的城市 */
                    city: string | number;
                    /** @description 学历 */
                    degree: string | number;
                    /** @description 项目地址 */
                    productUrl: string | number;
                    /** @description 一句话对自己的评价 */
                    description: string | number;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 班级 */
                    class: string;
                    /** @description 学员的名字 */
                    name: string;
                    /** @description 学员的年龄 */
                    age: number;
                    /** @description 目前居住的城市 */
                    city: string;
                    /** @description 学历 */
                    degree: string;
                    /** @description 项目地址 */
                    productUrl: string;
                    /** @description 一句话对自己的评价 */
                    description: string;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string;
                };
                "multipart/form-data": {
                    /** @description 班级 */
                    class: string;
                    /** @description 学员的名字 */
                    name: string;
                    /** @description 学员的年龄 */
                    age: number;
                    /** @description 目前居住的城市 */
                    city: string;
                    /** @description 学历 */
                    degree: string;
                    /** @description 项目地址 */
                    productUrl: string;
                    /** @description 一句话对自己的评价 */
                    description: string;
                    /**
                     * Format: binary
                     * @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    headimgurl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsAddstuAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_students_delstu: {
        parameters: {
            query: {
                /** @description 学员的 sId */
                sId: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsDelstuAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_students_updatestu: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 学员的 sId */
                    sId: string | number;
                    /** @description 班级 */
                    class?: (string | number) | null;
                    /** @description 学员的名字 */
                    name?: (string | number) | null;
                    /** @description 学员的年龄 */
                    age?: (number | string) | null;
                    /** @description 目前居住的城市 */
                    city?: (string | number) | null;
                    /** @description 学历 */
                    degree?: (string | number) | null;
                    /** @description 项目地址 */
                    productUrl?: (string | number) | null;
                    /** @description 一句话对自己的评价 */
                    description?: (string | number) | null;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 学员的 sId */
                    sId: string;
                    /** @description 班级 */
                    class?: string;
                    /** @description 学员的名字 */
                    name?: string;
                    /** @description 学员的年龄 */
                    age?: number;
                    /** @description 目前居住的城市 */
                    city?: string;
                    /** @description 学历 */
                    degree?: string;
                    /** @description 项目地址 */
                    productUrl?: string;
                    /** @description 一句话对自己的评价 */
                    description?: string;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string;
                };
                "multipart/form-data": {
                    /** @description 学员的 sId */
                    sId: string;
                    /** @description 班级 */
                    class?: string;
                    /** @description 学员的名字 */
                    name?: string;
                    /** @description 学员的年龄 */
                    age?: number;
                    /** @description 目前居住的城市 */
                    city?: string;
                    /** @description 学历 */
                    degree?: string;
                    /** @description 项目地址 */
                    productUrl?: string;
                    /** @description 一句话对自己的评价 */
                    description?: string;
                    /**
                     * Format: binary
                     * @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    headimgurl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsUpdatestuAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_students_searchstu: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description 姓名中的任意一段 */
                key?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsSearchstuAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_students_uploadStuAvatar: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description 图片文件,jpg、png 或 gif
                     */
                    headimgurl: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StudentsUploadStuAvatarAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_getCaptcha: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersGetCaptchaAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_refreshCaptcha: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersRefreshCaptchaAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_verifyCaptcha: {
        parameters: {
            query?: {
                /** @description 用户输入的验证码,不区分大小写 */
                captcha?: string;
                /** @description getCaptcha 返回的 key;带 cookie 的客户端可以不传 */
                key?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersVerifyCaptchaAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_getAllUers: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description 用户名、昵称或手机号的一部分 */
                key?: string;
                /** @description 只看这个角色的用户 */
                roleid?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersGetAllUersAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_users_register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 用户名 */
                    username: string | number;
                    /** @description 密码 */
                    password: string | number;
                    /** @description 昵称 */
                    nickname: string | number;
                    /**
                     * @description 手机号
                     * @default
                     */
                    phone?: (string | number) | null;
                    /** @description 角色编号,默认 200 */
                    roles?: (string | number | (string | number)[]) | null;
                    /** @description 角色编号,与 roles 相同 */
                    roleid?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 用户名 */
                    username: string;
                    /** @description 密码 */
                    password: string;
                    /** @description 昵称 */
                    nickname: string;
                    /**
                     * @description 手机号
                     * @default
                     */
                    phone?: string;
                    /** @description 角色编号,默认 200 */
                    roles?: string;
                    /** @description 角色编号,与 roles 相同 */
                    roleid?: string;
                };
                "multipart/form-data": {
                    /** @description 用户名 */
                    username: string;
                    /** @description 密码 */
                    password: string;
                    /** @description 昵称 */
                    nickname: string;
                    /**
                     * @description 手机号
                     * @default
                     */
                    phone?: string;
                    /** @description 角色编号,默认 200 */
                    roles?: string;
                    /** @description 角色编号,与 roles 相同 */
                    roleid?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersRegisterAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_users_login: {
        parameters: {
            query?: {
                /** @description 传 sms 为短信登入;不传为账号密码登入 */
                type?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 账户 */
                    username: string | number;
                    /** @description 密码 */
                    password: string | number;
                } | {
                    /** @description 短信中的 5 位验证码 */
                    code: string | number;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 账户 */
                    username: string;
                    /** @description 密码 */
                    password: string;
                } | {
                    /** @description 短信中的 5 位验证码 */
                    code: string;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                };
                "multipart/form-data": {
                    /** @description 账户 */
                    username: string;
                    /** @description 密码 */
                    password: string;
                } | {
                    /** @description 短信中的 5 位验证码 */
                    code: string;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersLoginAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_sms_send: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 11位的大陆手机号 */
                    phoneNumber: string | number;
                    /**
                     * @description 图形验证码;msg 要求时才需要
                     * @default
                     */
                    captcha?: (string | number) | null;
                    /**
                     * @description getCaptcha 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 11位的大陆手机号 */
                    phoneNumber: string;
                    /**
                     * @description 图形验证码;msg 要求时才需要
                     * @default
                     */
                    captcha?: string;
                    /**
                     * @description getCaptcha 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                };
                "multipart/form-data": {
                    /** @description 11位的大陆手机号 */
                    phoneNumber: string;
                    /**
                     * @description 图形验证码;msg 要求时才需要
                     * @default
                     */
                    captcha?: string;
                    /**
                     * @description getCaptcha 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SmsSendAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_getQrcode: {
        parameters: {
            query?: {
                /** @description connectSuccess 事件给出的 sid */
                sid?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersGetQrcodeAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_wechatCallBack: {
        parameters: {
            query: {
                /** @description 二维码的 state */
                state: string;
                /** @description 微信返回的临时 code */
                code?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersWechatCallBackAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_wechatLogin: {
        parameters: {
            query: {
                /** @description 扫码成功后 scancodeSuccess 事件给出的 wechatCode */
                wechatCode: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersWechatLoginAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 上游服务不可用 */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_sigout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersSigoutAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_users_uploadAvatar: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description 上传的图片文件
                     */
                    headimgurl: string;
                    /** @description 当前用户的 id (unid) */
                    uId?: string;
                    /** @description 与 uId 相同 */
                    unid?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersUploadAvatarAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_verify: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerifyAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_users_updatePassword: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 用户名 */
                    username: string | number;
                    /**
                     * @description 原来的密码;root 修改他人密码时不需要
                     * @default
                     */
                    oldPassword?: (string | number) | null;
                    /**
                     * @description 需要修改的新密码
                     * @default
                     */
                    newPassword?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 用户名 */
                    username: string;
                    /**
                     * @description 原来的密码;root 修改他人密码时不需要
                     * @default
                     */
                    oldPassword?: string;
                    /**
                     * @description 需要修改的新密码
                     * @default
                     */
                    newPassword?: string;
                };
                "multipart/form-data": {
                    /** @description 用户名 */
                    username: string;
                    /**
                     * @description 原来的密码;root 修改他人密码时不需要
                     * @default
                     */
                    oldPassword?: string;
                    /**
                     * @description 需要修改的新密码
                     * @default
                     */
                    newPassword?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersUpdatePasswordAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_users_updateUser: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 要修改的用户的 unid;只有 root 可以修改别人 */
                    unid: string | number;
                    /** @description 用户名 */
                    username?: (string | number) | null;
                    /**
                     * @description 新密码,修改后需要重新登入
                     * @default
                     */
                    password?: (string | number) | null;
                    /**
                     * @description 原来的密码;root 不需要
                     * @default
                     */
                    oldPassword?: (string | number) | null;
                    /** @description 手机号;要用它短信登入,再传 oldPassword 和 code */
                    phone?: (string | number) | null;
                    /**
                     * @description 发到新手机号的 5 位验证码
                     * @default
                     */
                    code?: (string | number) | null;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: (string | number) | null;
                    /** @description 昵称 */
                    nickname?: (string | number) | null;
                    /** @description 性别 */
                    sex?: (string | number) | null;
                    /** @description 城市 */
                    city?: (string | number) | null;
                    /** @description 省份 */
                    province?: (string | number) | null;
                    /** @description 国家 */
                    country?: (string | number) | null;
                    /** @description 角色编号,仅 root */
                    roleid?: (string | number) | null;
                    /** @description VIP 等级,仅 root */
                    vipLevel?: (number | string) | null;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 要修改的用户的 unid;只有 root 可以修改别人 */
                    unid: string;
                    /** @description 用户名 */
                    username?: string;
                    /**
                     * @description 新密码,修改后需要重新登入
                     * @default
                     */
                    password?: string;
                    /**
                     * @description 原来的密码;root 不需要
                     * @default
                     */
                    oldPassword?: string;
                    /** @description 手机号;要用它短信登入,再传 oldPassword 和 code */
                    phone?: string;
                    /**
                     * @description 发到新手机号的 5 位验证码
                     * @default
                     */
                    code?: string;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                    /** @description 昵称 */
                    nickname?: string;
                    /** @description 性别 */
                    sex?: string;
                    /** @description 城市 */
                    city?: string;
                    /** @description 省份 */
                    province?: string;
                    /** @description 国家 */
                    country?: string;
                    /** @description 角色编号,仅 root */
                    roleid?: string;
                    /** @description VIP 等级,仅 root */
                    vipLevel?: number;
                    /** @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    headimgurl?: string;
                };
                "multipart/form-data": {
                    /** @description 要修改的用户的 unid;只有 root 可以修改别人 */
                    unid: string;
                    /** @description 用户名 */
                    username?: string;
                    /**
                     * @description 新密码,修改后需要重新登入
                     * @default
                     */
                    password?: string;
                    /**
                     * @description 原来的密码;root 不需要
                     * @default
                     */
                    oldPassword?: string;
                    /** @description 手机号;要用它短信登入,再传 oldPassword 和 code */
                    phone?: string;
                    /**
                     * @description 发到新手机号的 5 位验证码
                     * @default
                     */
                    code?: string;
                    /**
                     * @description /sms/send 返回的 key;带 cookie 的客户端可以不传
                     * @default
                     */
                    key?: string;
                    /** @description 昵称 */
                    nickname?: string;
                    /** @description 性别 */
                    sex?: string;
                    /** @description 城市 */
                    city?: string;
                    /** @description 省份 */
                    province?: string;
                    /** @description 国家 */
                    country?: string;
                    /** @description 角色编号,仅 root */
                    roleid?: string;
                    /** @description VIP 等级,仅 root */
                    vipLevel?: number;
                    /**
                     * Format: binary
                     * @description 头像:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    headimgurl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersUpdateUserAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_users_deleteUser: {
        parameters: {
            query?: {
                /** @description 要删除的用户的 unid,可以重复(也可写作 unid[]),或用逗号隔开多个 */
                unid?: string;
                /** @description 或者用户名 */
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersDeleteUserAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_permission_addrole: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 添加的角色id */
                    roleid: string | number;
                    /**
                     * @description 角色名称,默认与 roleid 相同
                     * @default
                     */
                    roleName?: (string | number) | null;
                    /** @description 菜单树:[{"name": …, "children": […]}],或其 JSON 文本 */
                    menuList?: ({
                        name: string;
                    }[] | string) | null;
                    /** @description 可调用的接口:["/students/getstulist"],或其 JSON 文本 */
                    rows?: (string[] | string) | null;
                    /** @description 按钮权限:read、add、edit、delete,或其 JSON 文本 */
                    buttons?: (("read" | "add" | "edit" | "delete")[] | string) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 添加的角色id */
                    roleid: string;
                    /**
                     * @description 角色名称,默认与 roleid 相同
                     * @default
                     */
                    roleName?: string;
                    /** @description 菜单树:[{"name": …, "children": […]}],或其 JSON 文本 */
                    menuList?: string;
                    /** @description 可调用的接口:["/students/getstulist"],或其 JSON 文本 */
                    rows?: string;
                    /** @description 按钮权限:read、add、edit、delete,或其 JSON 文本 */
                    buttons?: string;
                };
                "multipart/form-data": {
                    /** @description 添加的角色id */
                    roleid: string;
                    /**
                     * @description 角色名称,默认与 roleid 相同
                     * @default
                     */
                    roleName?: string;
                    /** @description 菜单树:[{"name": …, "children": […]}],或其 JSON 文本 */
                    menuList?: string;
                    /** @description 可调用的接口:["/students/getstulist"],或其 JSON 文本 */
                    rows?: string;
                    /** @description 按钮权限:read、add、edit、delete,或其 JSON 文本 */
                    buttons?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PermissionAddroleAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_permission_getrole: {
        parameters: {
            query?: {
                /** @description 查询的角色id */
                roleid?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PermissionGetroleAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_permission_getrole: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 查询的角色id */
                    roleid?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 查询的角色id */
                    roleid?: string;
                };
                "multipart/form-data": {
                    /** @description 查询的角色id */
                    roleid?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PermissionGetroleAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_permission_getMenuList: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PermissionGetMenuListAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_category_addCategory: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 类目名称,不能与已有的重复 */
                    categoryName: string | number;
                    /** @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    categoryImgurl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 类目名称,不能与已有的重复 */
                    categoryName: string;
                    /** @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    categoryImgurl?: string;
                };
                "multipart/form-data": {
                    /** @description 类目名称,不能与已有的重复 */
                    categoryName: string;
                    /**
                     * Format: binary
                     * @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    categoryImgurl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CategoryAddCategoryAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_category_delCategory: {
        parameters: {
            query: {
                /** @description 要删除的类目 id */
                category_id: string;
                /** @description 传 1 则类目下还有商品也删除 */
                force?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CategoryDelCategoryAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_category_updateCategory: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 要修改的类目 id */
                    category_id: string | number;
                    /** @description 新的类目名称 */
                    categoryName: string | number;
                    /** @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    categoryImgurl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 要修改的类目 id */
                    category_id: string;
                    /** @description 新的类目名称 */
                    categoryName: string;
                    /** @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    categoryImgurl?: string;
                };
                "multipart/form-data": {
                    /** @description 要修改的类目 id */
                    category_id: string;
                    /** @description 新的类目名称 */
                    categoryName: string;
                    /**
                     * Format: binary
                     * @description 类目图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    categoryImgurl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CategoryUpdateCategoryAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_category_getCategory: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CategoryGetCategoryAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_product_add_product: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 所属类目的 id */
                    category_id: string | number;
                    /** @description 商品名称 */
                    productName: string | number;
                    /** @description 价格,单位元,最多两位小数 */
                    price: number | string;
                    /** @description 商品描述 */
                    description: string | number;
                    /** @description 库存件数 */
                    inventory: number | string;
                    /** @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    imageUrl: string;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 所属类目的 id */
                    category_id: string;
                    /** @description 商品名称 */
                    productName: string;
                    /** @description 价格,单位元,最多两位小数 */
                    price: number;
                    /** @description 商品描述 */
                    description: string;
                    /** @description 库存件数 */
                    inventory: number;
                    /** @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    imageUrl: string;
                };
                "multipart/form-data": {
                    /** @description 所属类目的 id */
                    category_id: string;
                    /** @description 商品名称 */
                    productName: string;
                    /** @description 价格,单位元,最多两位小数 */
                    price: number;
                    /** @description 商品描述 */
                    description: string;
                    /** @description 库存件数 */
                    inventory: number;
                    /**
                     * Format: binary
                     * @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    imageUrl: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProductAddProductAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_product_update_product: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 要修改的商品 id */
                    product_id: string | number;
                    /** @description 改到哪个类目 */
                    category_id?: (string | number) | null;
                    /** @description 新的商品名称 */
                    productName?: (string | number) | null;
                    /** @description 新的价格,单位元,最多两位小数 */
                    price?: (number | string) | null;
                    /** @description 新的商品描述 */
                    description?: (string | number) | null;
                    /** @description 此后可售的件数 */
                    inventory?: (number | string) | null;
                    /** @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    imageUrl?: string | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 要修改的商品 id */
                    product_id: string;
                    /** @description 改到哪个类目 */
                    category_id?: string;
                    /** @description 新的商品名称 */
                    productName?: string;
                    /** @description 新的价格,单位元,最多两位小数 */
                    price?: number;
                    /** @description 新的商品描述 */
                    description?: string;
                    /** @description 此后可售的件数 */
                    inventory?: number;
                    /** @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件 */
                    imageUrl?: string;
                };
                "multipart/form-data": {
                    /** @description 要修改的商品 id */
                    product_id: string;
                    /** @description 改到哪个类目 */
                    category_id?: string;
                    /** @description 新的商品名称 */
                    productName?: string;
                    /** @description 新的价格,单位元,最多两位小数 */
                    price?: number;
                    /** @description 新的商品描述 */
                    description?: string;
                    /** @description 此后可售的件数 */
                    inventory?: number;
                    /**
                     * Format: binary
                     * @description 商品图片:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件
                     */
                    imageUrl?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProductUpdateProductAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_product_get_product: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description 只看这一个商品 */
                product_id?: string;
                /** @description 只看这个类目的商品 */
                category_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProductGetProductAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_product_del_product: {
        parameters: {
            query: {
                /** @description 要删除的商品 id */
                product_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProductDelProductAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_cart_check: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 要选中的商品 id,多个用逗号隔开 */
                    product_id: (string | number) | (string | number)[];
                };
                "application/x-www-form-urlencoded": {
                    /** @description 要选中的商品 id,多个用逗号隔开 */
                    product_id: string;
                };
                "multipart/form-data": {
                    /** @description 要选中的商品 id,多个用逗号隔开 */
                    product_id: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CartCheckAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_cart_get_cart: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CartGetCartAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_cart_del_prouct: {
        parameters: {
            query: {
                /** @description 要删除的商品 id,多个用逗号隔开 */
                product_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CartDelProuctAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_cart_update_cart: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 商品 id */
                    product_id: string | number;
                    /** @description 件数 */
                    count: number | string;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 商品 id */
                    product_id: string;
                    /** @description 件数 */
                    count: number;
                };
                "multipart/form-data": {
                    /** @description 商品 id */
                    product_id: string;
                    /** @description 件数 */
                    count: number;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CartUpdateCartAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_cart_add_to_cart: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 商品 id */
                    product_id: string | number;
                    /** @description 件数 */
                    count: number | string;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 商品 id */
                    product_id: string;
                    /** @description 件数 */
                    count: number;
                };
                "multipart/form-data": {
                    /** @description 商品 id */
                    product_id: string;
                    /** @description 件数 */
                    count: number;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CartAddToCartAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_pay_pre_order: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description 直接购买的商品 id;不传则购买购物车中选中的
                     * @default
                     */
                    product_id?: (string | number) | null;
                    /**
                     * @description 直接购买的件数
                     * @default 1
                     */
                    quantity?: (number | string) | null;
                    /**
                     * @description 收货电话
                     * @default
                     */
                    phone?: (string | number) | null;
                    /**
                     * @description 收货地址
                     * @default
                     */
                    address?: (string | number) | null;
                    /**
                     * @description 收件人姓名
                     * @default
                     */
                    recipient?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /**
                     * @description 直接购买的商品 id;不传则购买购物车中选中的
                     * @default
                     */
                    product_id?: string;
                    /**
                     * @description 直接购买的件数
                     * @default 1
                     */
                    quantity?: number;
                    /**
                     * @description 收货电话
                     * @default
                     */
                    phone?: string;
                    /**
                     * @description 收货地址
                     * @default
                     */
                    address?: string;
                    /**
                     * @description 收件人姓名
                     * @default
                     */
                    recipient?: string;
                };
                "multipart/form-data": {
                    /**
                     * @description 直接购买的商品 id;不传则购买购物车中选中的
                     * @default
                     */
                    product_id?: string;
                    /**
                     * @description 直接购买的件数
                     * @default 1
                     */
                    quantity?: number;
                    /**
                     * @description 收货电话
                     * @default
                     */
                    phone?: string;
                    /**
                     * @description 收货地址
                     * @default
                     */
                    address?: string;
                    /**
                     * @description 收件人姓名
                     * @default
                     */
                    recipient?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayPreOrderAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_order_query_order_status: {
        parameters: {
            query: {
                /** @description 订单号 */
                order_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderQueryOrderStatusAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_order_get_order: {
        parameters: {
            query?: {
                /** @description 第几页,从 1 开始;不传 count 时忽略 */
                page?: number;
                /** @description 每页多少条,不传则给出全部(有上限) */
                count?: number;
                /** @description 只看这一个订单;不传则给出自己的所有订单 */
                order_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderGetOrderAnswer"] | components["schemas"]["OrderGetOrderAnswer2"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_order_get_order: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description 第几页,从 1 开始;不传 count 时忽略
                     * @default 1
                     */
                    page?: (number | string) | null;
                    /** @description 每页多少条,不传则给出全部(有上限) */
                    count?: (number | string) | null;
                    /**
                     * @description 只看这一个订单;不传则给出自己的所有订单
                     * @default
                     */
                    order_id?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /**
                     * @description 第几页,从 1 开始;不传 count 时忽略
                     * @default 1
                     */
                    page?: number;
                    /** @description 每页多少条,不传则给出全部(有上限) */
                    count?: number;
                    /**
                     * @description 只看这一个订单;不传则给出自己的所有订单
                     * @default
                     */
                    order_id?: string;
                };
                "multipart/form-data": {
                    /**
                     * @description 第几页,从 1 开始;不传 count 时忽略
                     * @default 1
                     */
                    page?: number;
                    /** @description 每页多少条,不传则给出全部(有上限) */
                    count?: number;
                    /**
                     * @description 只看这一个订单;不传则给出自己的所有订单
                     * @default
                     */
                    order_id?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderGetOrderAnswer"] | components["schemas"]["OrderGetOrderAnswer2"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    get_order_del_order: {
        parameters: {
            query: {
                /** @description 订单号 */
                order_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderDelOrderAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_order_cancel: {
        parameters: {
            query: {
                /** @description 订单号 */
                order_id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderCancelAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    get_order_ship: {
        parameters: {
            query: {
                /** @description 订单号 */
                order_id: string;
                /** @description 0未发货 1已发货 2已收货 3备货中 */
                action: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderShipAnswer"] | components["schemas"]["Failure"];
                };
            };
        };
    };
    post_order_returns: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 订单号 */
                    order_id: string | number;
                    /**
                     * @description 退货理由,后台会看到
                     * @default
                     */
                    reason?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 订单号 */
                    order_id: string;
                    /**
                     * @description 退货理由,后台会看到
                     * @default
                     */
                    reason?: string;
                };
                "multipart/form-data": {
                    /** @description 订单号 */
                    order_id: string;
                    /**
                     * @description 退货理由,后台会看到
                     * @default
                     */
                    reason?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderReturnsAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_pay_payment: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description 要支付的订单号 */
                    order_id: string | number;
                    /**
                     * @description 公众号或应用的 appid;传了就必须与服务器配置的相同
                     * @default
                     */
                    appid?: (string | number) | null;
                    /**
                     * @description 商户号;传了就必须与服务器配置的相同
                     * @default
                     */
                    mch_id?: (string | number) | null;
                    /**
                     * @description 支付方式: NATIVE 扫码、JSAPI 公众号、APP
                     * @default NATIVE
                     */
                    trade_type?: (string | number) | null;
                    /**
                     * @description 付款人的 openid,仅 JSAPI 需要;微信登录的用户可以不传
                     * @default
                     */
                    openid?: (string | number) | null;
                };
                "application/x-www-form-urlencoded": {
                    /** @description 要支付的订单号 */
                    order_id: string;
                    /**
                     * @description 公众号或应用的 appid;传了就必须与服务器配置的相同
                     * @default
                     */
                    appid?: string;
                    /**
                     * @description 商户号;传了就必须与服务器配置的相同
                     * @default
                     */
                    mch_id?: string;
                    /**
                     * @description 支付方式: NATIVE 扫码、JSAPI 公众号、APP
                     * @default NATIVE
                     */
                    trade_type?: string;
                    /**
                     * @description 付款人的 openid,仅 JSAPI 需要;微信登录的用户可以不传
                     * @default
                     */
                    openid?: string;
                };
                "multipart/form-data": {
                    /** @description 要支付的订单号 */
                    order_id: string;
                    /**
                     * @description 公众号或应用的 appid;传了就必须与服务器配置的相同
                     * @default
                     */
                    appid?: string;
                    /**
                     * @description 商户号;传了就必须与服务器配置的相同
                     * @default
                     */
                    mch_id?: string;
                    /**
                     * @description 支付方式: NATIVE 扫码、JSAPI 公众号、APP
                     * @default NATIVE
                     */
                    trade_type?: string;
                    /**
                     * @description 付款人的 openid,仅 JSAPI 需要;微信登录的用户可以不传
                     * @default
                     */
                    openid?: string;
                };
            };
        };
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayPaymentAnswer"] | components["schemas"]["PayPaymentAnswer2"] | components["schemas"]["PayPaymentAnswer3"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 不支持的数据格式 */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 上游服务不可用 */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 上游服务超时 */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    "get_pay_transactions_out_trade_no_{out_trade_no}": {
        parameters: {
            query?: {
                /** @description 商户号;传了就必须与服务器配置的相同 */
                mchid?: string;
            };
            header?: never;
            path: {
                out_trade_no: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayTransactionsOutTradeNoAnswer"] | components["schemas"]["Failure"];
                };
            };
            /** @description 请求太频繁 */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 上游服务不可用 */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 服务暂时不可用 */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
            /** @description 上游服务超时 */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failure"];
                };
            };
        };
    };
    post_pay_payResult: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/xml": {
                        /** @enum {string} */
                        return_code: "SUCCESS" | "FAIL";
                        /** @example OK */
                        return_msg: string;
                    };
                };
            };
        };
    };
    post_pay_notify: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description 业务结果:看 `state` 和 `status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        code: "SUCCESS";
                        /** @example 成功 */
                        message: string;
                    };
                };
            };
            /** @description 请求无法解析 */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        code: "FAIL";
                        /** @example 原因 */
                        message: string;
                    };
                };
            };
            /** @description 失败 */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        code: "FAIL";
                        /** @example 原因 */
                        message: string;
                    };
                };
            };
            /** @description 请求内容过大 */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        code: "FAIL";
                        /** @example 原因 */
                        message: string;
                    };
                };
            };
            /** @description 失败 */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        code: "FAIL";
                        /** @example 原因 */
                        message: string;
                    };
                };
            };
        };
    };
}
