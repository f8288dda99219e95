-- wrk's side of a measurement: one request again and again, replies checked, one line of JSON at the end.
-- Takes the path of a file of lines ("name: value" headers, an empty line, then the body), what every
-- right answer holds, and the method.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local whole = file:read("*a")
  file:close()
  local head, body = whole:match("^(.-)\n\n(.*)$")
  wrk.method = args[3]
  if body ~= "" then wrk.body = body end
  for name, value in head:gmatch("([^\n:]+): ([^\n]*)") do
    wrk.headers[name] = value
  end
  wanted = args[2]
  refused, wrong = 0, 0
end

-- Counts what is not an answer, and what is not the answer wanted.
function response(status, _, body)
  if status < 200 or status > 299 then
    refused = refused + 1
  elseif not body:find(wanted, 1, true) then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local refused, wrong = 0, 0
  for _, thread in ipairs(threads) do
    refused = refused + thread:get("refused")
    wrong = wrong + thread:get("wrong")
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"refused":%d,"wrong":%d,"broken":%d,"p50":%d,"p95":%d,"p99":%d}\n',
    summary.requests, summary.duration / 1e6, refused, wrong,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
