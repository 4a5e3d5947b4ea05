import { useEffect, useState } from "react"
import { get, post, type CartRow, type Category, type Product } from "./api"

export function Shop({ onOrdered }: { onOrdered: (order_id: string) => void }) {
  const [categories, setCategories] = useState<Category[]>([])
  const [category, setCategory] = useState("")
  const [products, setProducts] = useState<Product[]>([])
  const [cart, setCart] = useState<CartRow[]>([])
  const [outcome, setOutcome] = useState("")

  useEffect(() => {
    get("/category/getCategory").then(answer => answer.state && setCategories(answer.data))
    loadCart()
  }, [])
  useEffect(() => {
    get("/product/get_product", category ? { category_id: category } : {}).then(answer => answer.state && setProducts(answer.data))
  }, [category])

  async function loadCart() {
    const answer = await get("/cart/get_cart")
    if (answer.state) setCart(answer.data)
  }

  async function told(answer: Promise<{ msg: string }>) {
    setOutcome((await answer).msg)
    loadCart()
  }

  async function order() {
    await post("/cart/check", { product_id: cart.map(row => row.product_id).join(",") })
    const answer = await post("/pay/pre_order", { phone: "13800000000", address: "重庆" })
    if (answer.state) onOrdered(answer.order_id)
    else setOutcome(answer.msg)
  }

  const sum = cart.reduce((all, row) => all + row.price * row.count, 0)
  return (
    <>
      <p className="tabs">
        <button className={category ? "" : "here"} onClick={() => setCategory("")}>全部</button>
        {categories.map(({ category_id, categoryName }) => (
          <button key={category_id} className={category_id === category ? "here" : ""} onClick={() => setCategory(category_id)}>{categoryName}</button>
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
        <button disabled={!cart.length} onClick={order}>下单(¥{sum.toFixed(2)})</button> <span role="status">{outcome}</span>
      </p>
    </>
  )
}
