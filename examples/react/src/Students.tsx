import { useEffect, useRef, useState, type FormEvent } from "react"
import { get, post, type Permission, type Student } from "./api"

const FIELDS = { class: "班级", name: "姓名", age: "年龄", city: "城市", degree: "学历", productUrl: "项目地址", description: "自我评价" } as const
const NAMES = Object.keys(FIELDS) as (keyof typeof FIELDS)[]
const COUNT = 5
type Form = Pick<Student, keyof typeof FIELDS> & { sId?: string }
const BLANK: Form = { class: "", name: "", age: "", city: "", degree: "", productUrl: "", description: "" }

export function Students({ buttons }: Permission) {
  const [classes, setClasses] = useState<string[]>([])
  const [query, setQuery] = useState({ class: "", key: "", page: 1 })
  const [students, setStudents] = useState<Student[]>([])
  const [total, setTotal] = useState(0)
  const [form, setForm] = useState<Form>()
  const [outcome, setOutcome] = useState("")
  const latest = useRef({})

  async function load() {
    const asked = latest.current = { ...query, count: COUNT }
    const list = await get("/students/getstulist", asked)
    if (asked !== latest.current) return // 先发的可能后到:只显示最后一次的
    if (!list.state) return setOutcome(list.msg)
    setStudents(list.data)
    setTotal(list.total)
    const names = await get("/students/getclasses")
    if (names.state) setClasses(names.data)
    else setOutcome(names.msg)
  }

  // 打字停下 0.3 秒才问一次,不是每个键一次
  useEffect(() => {
    const timer = setTimeout(load, query.key ? 300 : 0)
    return () => clearTimeout(timer)
  }, [query])

  async function save(event: FormEvent) {
    event.preventDefault()
    if (!form) return
    const { sId, ...fields } = form
    const sent = { ...fields, age: Number(form.age) }
    const answer = sId ? await post("/students/updatestu", { ...sent, sId }) : await post("/students/addstu", sent)
    setOutcome(answer.msg)
    if (!answer.state) return
    setForm(undefined)
    load()
  }

  async function remove({ sId, name }: Student) {
    if (!confirm(`删除 ${name}?`)) return
    const answer = await get("/students/delstu", { sId })
    setOutcome(answer.msg)
    load()
  }

  return (
    <>
      <p className="bar">
        <select value={query.class} onChange={event => setQuery({ ...query, class: event.target.value, page: 1 })}>
          <option value="">全部班级</option>
          {classes.map(name => <option key={name}>{name}</option>)}
        </select>
        <input placeholder="姓名" value={query.key} onChange={event => setQuery({ ...query, key: event.target.value, page: 1 })} />
        {buttons.includes("add") && <button onClick={() => setForm(BLANK)}>增加学员</button>}
        <span role="status">{outcome}</span>
      </p>
      {form && (
        <form className="student" onSubmit={save}>
          {NAMES.map(name => (
            <label key={name}>
              {FIELDS[name]} <input value={form[name]} onChange={event => setForm({ ...form, [name]: event.target.value })} />
            </label>
          ))}
          <button>保存</button> <button type="button" onClick={() => setForm(undefined)}>取消</button>
        </form>
      )}
      <table>
        <thead><tr><th>学号</th><th>姓名</th><th>班级</th><th>年龄</th><th>城市</th><th>创建时间</th><th /></tr></thead>
        <tbody>
          {students.map(student => (
            <tr key={student.sId}>
              <td>{student.sId}</td><td>{student.name}</td><td>{student.class}</td><td>{student.age}</td><td>{student.city}</td><td>{student.cTime}</td>
              <td>
                {buttons.includes("edit") && <button onClick={() => setForm(student)}>修改</button>}
                {buttons.includes("delete") && <button onClick={() => remove(student)}>删除</button>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="bar">
        共 {total} 名
        <button disabled={query.page === 1} onClick={() => setQuery({ ...query, page: query.page - 1 })}>上一页</button>
        <button disabled={query.page * COUNT >= total} onClick={() => setQuery({ ...query, page: query.page + 1 })}>下一页</button>
      </p>
    </>
  )
}
