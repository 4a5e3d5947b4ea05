import { useEffect, useMemo, useState } from "react"
import { get, type StatisticsOverviewAnswer, type StatisticsStudentsAnswer, type StatisticsTrendAnswer } from "./api"
import { useChart } from "./chart"

const WAYS = { city: "城市", class: "班级", degree: "学历", age: "年龄" } as const

export default function Statistics() {
  const [by, setBy] = useState<keyof typeof WAYS>("city")
  const [today, setToday] = useState<StatisticsOverviewAnswer["data"]>()
  const [rows, setRows] = useState<StatisticsStudentsAnswer["data"]>()
  const [days, setDays] = useState<StatisticsTrendAnswer["data"]>()
  const [problem, setProblem] = useState("")

  useEffect(() => {
    get("/statistics/overview").then(answer => (answer.state ? setToday(answer.data) : setProblem(answer.msg)))
    get("/statistics/trend", { of: "students,logins,attendance", unit: "day" }).then(answer =>
      answer.state ? setDays(answer.data) : setProblem(answer.msg),
    )
  }, [])
  useEffect(() => {
    get("/statistics/students", { by, limit: 8 }).then(answer => (answer.state ? setRows(answer.data) : setProblem(answer.msg)))
  }, [by])

  const share = useMemo(() => rows && { tooltip: {}, series: [{ type: "pie", radius: ["35%", "65%"], data: rows }] }, [rows])
  const trend = useMemo(
    () =>
      days && {
        tooltip: { trigger: "axis" },
        legend: {},
        xAxis: { type: "category", data: days.xAxis },
        yAxis: [{ type: "value" }, { type: "value", max: 1 }], // 出勤率是 0 到 1,没有考勤的那天是 null
        series: days.series.map(({ name, key, data }) =>
          key === "attendance" ? { name, data, type: "line", yAxisIndex: 1 } : { name, data, type: "bar" },
        ),
      },
    [days],
  )

  return (
    <>
      <p className="bar">
        {today && <span>学员 {today.students} · 班级 {today.classes} · 今天新增 {today.newStudents} · 今天登录 {today.logins}</span>}
        <select value={by} onChange={({ target }) => setBy(target.value as keyof typeof WAYS)}>
          {Object.entries(WAYS).map(([value, label]) => <option key={value} value={value}>按{label}</option>)}
        </select>
      </p>
      {problem && <p role="alert">{problem}</p>}
      <div className="chart" ref={useChart(share)} />
      <div className="chart" ref={useChart(trend)} />
    </>
  )
}
