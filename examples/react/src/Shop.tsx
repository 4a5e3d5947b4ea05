import { useEffect, useRef, useState } from "react"
import { get, isLost, newKey, post, type CartRow, type Category, type Product } from "./api"

const COUNT = 6

export function Shop({ onOrdered }: { onOrdered: (order_id: string) => void }) {
  const [categories, setCategories] = useState<Category[]>([])
  const [category, setCategory] = useState("")
  const [products, setProducts] = useState<Product[]>([])
  const [page, setPage] = useState(1)
  const [total, setTotal] = useState(0)
  const [cart, setCart] = useState<CartRow[]>([])
  const [outcome, setOutcome] = useState("")
  const [isOrdering, setOrdering] = useState(false)
  const key = useRef(newKey())

  useEffect(() => {
    loadCategories()
    loadCart()
  }, [])
  useEffect(() => {
    loadProducts()
  }, [category, page])

  async function loadCategories() {
    const answer = await get("/category/getCategory")
    if (answer.state) setCategories(answer.data)
    else setOutcome(answer.msg)
  }

  async function loadProducts() {
    const answer = await get("/product/get_product", { page, count: COUNT, ...(category && { category_id: category }) })
    setProducts(answer.state ? answer.data : [])
    setTotal(answer.state ? answer.total : 0)
    if (!answer.state) setOutcome(answer.msg)
  }

  async function loadCart() {
    const answer = await get("/cart/get_cart")
    if (answer.state) setCart(answer.data)
    else setOutcome(answer.msg)
  }

  function choose(id: string) {
    setCategory(id)
    setPage(1)
  }

  async function told(answer: Promise<{ msg: string }>) {
    setOutcome((await answer).msg)
    loadCart()
  }

  async function order() {
    setOrdering(true)
    const checked = await post("/cart/check", { product_id: cart.map(row => row.product_id).join(",") })
    const body = { phone: "13800000000", address: "重庆" }
    const answer = checked.state ? await post("/pay/pre_order", body, { "Idempotency-Key": key.current }) : checked
    setOrdering(false)
    if (!isLost(answer)) key.current = newKey() // 没有得到答复:再点一次还是同一单
    if (answer.state) onOrdered(answer.order_id)
    else setOutcome(answer.msg)
  }

  const sum = cart.reduce((all, row) => all + row.price * row.count, 0)
  return (
    <>
      <p className="tabs">
        <button className={category ? "" : "here"} onClick={() => choose("")}>全部</button>
        {categories.map(({ category_id, categoryName }) => (
          <button key={category_id} className={category_id === category ? "here" : ""} onClick={() => choose(category_id)}>{categoryName}</button>
        ))}
      </p>
      <div className="goods">
        {products.map(product => (
          <article key={product.product_id}>
            <img src={product.imageUrl} alt={product.productName} />
            <h3>{product.productName}</h3>
            <p>¥{product.price.toFixed(2)} · 库存 {product.inventory}</p>
            <button aria-label={`把 ${product.productName} 加入购物车`} onClick={() => told(post("/cart/add_to_cart", { product_id: product.product_id, count: 1 }))}>加入购物车</button>
          </article>
        ))}
      </div>
      <p className="bar">
        共 {total} 件
        <button disabled={page === 1} onClick={() => setPage(page - 1)}>上一页</button>
        <button disabled={page * COUNT >= total} onClick={() => setPage(page + 1)}>下一页</button>
      </p>
      <h2>购物车</h2>
      <ul className="cart">
        {cart.map(({ product_id, title, price, count }) => (
          <li key={product_id}>
            {title} ¥{price.toFixed(2)} × {count}{" "}
            <button aria-label={`${title} 加一件`} onClick={() => told(post("/cart/update_cart", { product_id, count: count + 1 }))}>+</button>
            <button aria-label={`删除 ${title}`} onClick={() => told(get("/cart/del_prouct", { product_id }))}>删除</button>
          </li>
        ))}
      </ul>
      <p className="bar">
        <button disabled={!cart.length || isOrdering} onClick={order}>下单(¥{sum.toFixed(2)})</button> <span role="status">{outcome}</span>
      </p>
    </>
  )
}
