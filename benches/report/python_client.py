"""How long the Python client takes for the work that both clients can do. Prints one line of JSON."""

import json
import statistics
import sys
import time

began = time.perf_counter()
from invokeai_py_client import InvokeAIClient  # noqa: E402
from invokeai_py_client.workflow import WorkflowDefinition  # noqa: E402

result = {"import": time.perf_counter() - began}
what, path, url = sys.argv[1:4]


def median(call, times):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


client = InvokeAIClient.from_url(url)
if what in ("once", "offline"):

    def load_and_list():
        inputs = client.create_workflow(WorkflowDefinition.from_file(path)).list_inputs()
        result["inputs"] = len(inputs)

    load_and_list()
    if what == "offline":
        result["load_and_list"] = median(load_and_list, 50)
elif what == "transfer":
    board = client.board_repo.get_uncategorized_handle()
    taken = {"upload": [], "download": []}
    for _ in range(5):
        start = time.perf_counter()
        name = board.upload_image(path).image_name
        uploaded = time.perf_counter()
        board.download_image(name)
        taken["download"].append(time.perf_counter() - uploaded)
        taken["upload"].append(uploaded - start)
        board.delete_image(name)
    result |= {step: statistics.median(seconds) for step, seconds in taken.items()}
else:
    workflow = client.create_workflow(WorkflowDefinition.from_file(path))

    def run():
        workflow.submit_sync()
        workflow.wait_for_completion_sync(poll_interval=0.005)

    run()
    result["run"] = median(run, int(sys.argv[4]))
print(json.dumps(result))
