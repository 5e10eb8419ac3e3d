"""OpenAI's own client on this PC's model: a streamed answer, then one that keeps to a schema."""

import json
import subprocess

from openai import OpenAI

host = json.loads(subprocess.check_output(["cwai", "status", "--json"]))
token = subprocess.check_output(["cwai", "token"], text=True).strip()
client = OpenAI(base_url=host["url"] + "/v1", api_key=token)
model = host["models"][0]

with client.responses.stream(model=model, input="Name three colours.", max_output_tokens=40) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
print()

choice = {"type": "json_schema", "json_schema": {"name": "kind", "schema": {"enum": ["bug", "feature", "question"]}}}
question = [{"role": "user", "content": "Classify this report: it crashes when I click on save."}]
answer = client.chat.completions.create(model=model, messages=question, response_format=choice, seed=1)
print(answer.choices[0].message.content, answer.model_extra["windows_ai"]["device"])
