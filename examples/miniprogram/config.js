// 服务器的地址;真机和别的电脑上填老师给的地址,例如 http://192.168.1.5:8000。
// sandbox:开发和练习服务器上的支付由沙箱扮演,不会真的扣款;上线时改成 false。
module.exports = { server: "http://127.0.0.1:8000", sandbox: true }
