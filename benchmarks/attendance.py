"""How long forty students take to sign within ten seconds, and when the screen hears each; on a running installation.

    python benchmarks/attendance.py http://127.0.0.1:8000 lbw 555 --spread 1

Adds a class of its own and leaves it there. Its teacher marks forty students, which takes the locks and sends the
events of forty signs. To let accounts sign, name their ``--class`` and give a file of ``--accounts``.
"""

import argparse
import asyncio
import statistics
import time
from pathlib import Path

import aiohttp


async def call(http: aiohttp.ClientSession, path: str, token: str = "", **body: object) -> dict:
    async with http.post(path, json=body, headers={"authorization": token}) as answer:
        return await answer.json()


async def main(options: argparse.Namespace) -> None:
    async with aiohttp.ClientSession(options.base) as http:
        token = (await call(http, "/users/login", username=options.name, password=options.password))["token"]
        name = options.class_name or f"B{int(time.time())}"
        student = {"class": name, "age": "20", "city": "重庆", "degree": "专科", "productUrl": "x", "description": "x"}
        if not options.class_name:
            for number in range(40):
                await call(http, "/students/addstu", token, name=f"学员{number}", **student)
        pk = (await call(http, "/attendance/open", token, **{"class": name}))["attendance_id"]
        async with http.ws_connect("/ws/login") as socket:
            sid = (await socket.receive_json())["data"]["sid"]
            query = {"attendance_id": pk, "sid": sid}
            headers = {"authorization": token}
            async with http.get("/attendance/getCode", params=query, headers=headers) as answer:
                code = (await answer.json())["code"]
            async with http.get("/attendance/getRecords", params=query, headers=headers) as answer:
                sids = [row["sId"] for row in (await answer.json())["data"]]
            accounts = (
                [line.split() for line in Path(options.accounts).read_text().splitlines()] if options.accounts else []
            )
            tokens = [(await call(http, "/users/login", username=u, password=p))["token"] for u, p in accounts]
            begun, took, heard = time.monotonic(), [], []

            async def sign(number: int) -> None:
                await asyncio.sleep(number * 10 / 40 * options.spread)
                start = time.monotonic()
                if tokens:
                    answer = await call(http, "/attendance/sign", tokens[number], code=code)
                else:
                    answer = await call(
                        http, "/attendance/mark", token, attendance_id=pk, sId=sids[number], attendanceStatus="出勤"
                    )
                assert answer["state"], answer
                took.append(time.monotonic() - start)

            async def listen() -> None:
                while len(heard) < len(tokens or sids):
                    event = await socket.receive_json()
                    if event["event"] == "attendanceSigned":
                        heard.append(event["data"]["signed"])

            people = range(len(tokens or sids))
            await asyncio.gather(listen(), *(sign(number) for number in people))
        await call(http, "/attendance/close", token, attendance_id=pk)
        print(f"{len(took)} signs, median {1000 * statistics.median(took):.0f} ms, slowest {1000 * max(took):.0f} ms")
        print(f"the screen heard all after {time.monotonic() - begun:.1f} s, in order: {heard == sorted(heard)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("name")
    parser.add_argument("password")
    parser.add_argument("--accounts", help='a file with "name password" in each line')
    parser.add_argument("--class", dest="class_name", help="the class of these accounts")
    parser.add_argument("--spread", type=float, default=0, help="0: all at once; 1: over ten seconds")
    asyncio.run(main(parser.parse_args()))
