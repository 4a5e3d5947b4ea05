// ECharts 很大,只引入用到的几样
import { BarChart, LineChart, PieChart } from "echarts/charts"
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components"
import { init, use, type EChartsCoreOption } from "echarts/core"
import { CanvasRenderer } from "echarts/renderers"
import { useEffect, useRef } from "react"

use([BarChart, LineChart, PieChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer])

/** 返回一个 ref:给图的元素用。option 变了就重画,离开页面时销毁。 */
export function useChart(option: EChartsCoreOption | undefined) {
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!element.current || !option) return
    const chart = init(element.current)
    const fit = () => chart.resize()
    chart.setOption(option)
    addEventListener("resize", fit)
    return () => {
      removeEventListener("resize", fit)
      chart.dispose()
    }
  }, [option])
  return element
}
