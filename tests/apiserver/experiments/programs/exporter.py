"""A program that knows nothing of us: it trains, exports metrics over HTTP, and that is all."""

import http.server
import json
import os
import threading
import time

directive = json.loads(os.environ["POPULATION_DIRECTIVE"])
state = {"step": 0, "loss": 1.0}


class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = f"population_report_step {state['step']}\nloss {state['loss']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: object) -> None:
        pass


address = (os.environ["POPULATION_HOST"], int(os.environ["POPULATION_METRICS_PORT"]))
server = http.server.ThreadingHTTPServer(address, Metrics)
threading.Thread(target=server.serve_forever, daemon=True).start()
start = (directive["restore"] or {"step": 0})["step"]
for step in range(start, directive["until"] + 1):
    state["step"], state["loss"] = step, 1 / (1 + step * directive["hyperparameters"]["lr"])
    time.sleep(0.01)
time.sleep(3600)
