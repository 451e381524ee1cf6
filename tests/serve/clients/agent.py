"""Runs the FLUX workflow with a picture, as an agent does: by the official SDK of the Model Context Protocol.

python agent.py PICTURE RESULT URL            over HTTP
python agent.py PICTURE RESULT COMMAND ...    a program on standard input and output
"""

import asyncio
import base64
import contextlib
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

try:
    from mcp.client.streamable_http import streamable_http_client as http_client
except ImportError:
    from mcp.client.streamable_http import streamablehttp_client as http_client

picture, result, *server = sys.argv[1:]


def transport():
    if server[0].startswith("http"):
        return http_client(server[0])
    return stdio_client(StdioServerParameters(command=server[0], args=server[1:]))


async def main():
    async with contextlib.AsyncExitStack() as stack:
        streams = await stack.enter_async_context(transport())
        session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        await session.initialize()
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert {"flux", "list_models", "list_boards"} <= tools.keys(), tools
        dumped = tools["flux"].model_dump(by_alias=True)
        assert "prompt" in dumped["inputSchema"]["properties"], dumped
        assert dumped["annotations"]["destructiveHint"] is False, dumped
        boards = await session.list_resources()
        assert any(str(board.uri) == "invokeai://boards/none" for board in boards.resources), boards
        models = await session.call_tool("list_models", {"type": "main"})
        assert "tiny-flux-dev" in models.content[0].text, models

        told = []

        async def on_progress(progress, total, message):
            told.append((progress, total, message))

        with open(picture, "rb") as file:
            image = "data:image/png;base64," + base64.b64encode(file.read()).decode()
        inputs = {
            "prompt": "a lighthouse",
            "image": image,
            "num_steps": 4,
            "model": "tiny-flux-dev",
            "t5_encoder_model": "tiny-t5",
            "clip_embed_model": "tiny-clip-l",
            "vae_model": "tiny-FLUX.1-schnell_ae",
        }
        done = await session.call_tool("flux", inputs, progress_callback=on_progress)
        dumped = done.model_dump(by_alias=True)
        assert not dumped["isError"], dumped["content"][0]
        kinds = [content.type for content in done.content]
        assert kinds == ["text", "image", "resource_link"], kinds
        assert told and told == sorted(told, key=lambda step: step[0]), told
        link = done.content[2].uri
        whole = await session.read_resource(link)
        with open(result, "wb") as saved:
            saved.write(base64.b64decode(whole.contents[0].blob))

        wrong = await session.call_tool("flux", {"num_steps": "many"})
        assert wrong.model_dump(by_alias=True)["isError"] and "num_steps" in wrong.content[0].text, wrong
        print(len(told), "times told how far it is; at last", told[-1])


asyncio.run(main())
