"""Lua scripts for the sessions in Valkey; each runs as one atomic step.

Problem: each request of a client may reach another process, and two may arrive at once. Reading a session, deciding
and writing it back in separate commands would lose packets or deliver them twice.

A session is a hash that expires unless its client shows signs of life. A list beside it holds the packets to be sent.
A script that has something for the client publishes its key: the process that has the client's WebSocket or waiting
poll listens (``sockets.hub``).

In every script KEYS[1] is the session and KEYS[2] its list of packets.
"""

WAKE = "spms:sio:wake"  # on which the keys are published
NEWEST_AT = "spms:sio:at:"  # and an address
SESSION, QUEUE = "spms:sio:s:", "spms:sio:q:"

# For a script of another module: tell(sid, packet) sends one packet to a client that has joined "/", as ``EMIT`` does.
# The caller sees to it that one who does not read gets few.
TELL = f"""
local function tell(sid, packet)
  if redis.call('HGET', '{SESSION}' .. sid, 'joined') ~= '1' then return end
  redis.call('RPUSH', '{QUEUE}' .. sid, packet)
  redis.call('PEXPIRE', '{QUEUE}' .. sid, 120000)
  redis.call('PUBLISH', '{WAKE}', '{SESSION}' .. sid)
end
"""

# now_ms: the server's clock, the same for all processes. whole: Lua would write large numbers as 1.7e+12.
# push: queue packets[first...]; a client whose queue is full loses its session, since it does not read.
# wake: tell whoever has the client's WebSocket or waiting poll to ask again.
# drain: take all queued packets.
COMMON = f"""
local MAX_QUEUE = 256
local session, queue = KEYS[1], KEYS[2]
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function whole(n) return string.format('%.0f', n) end
local function wake() redis.call('PUBLISH', '{WAKE}', session) end
local function push(packets, first)
  if first > #packets then return end
  if redis.call('LLEN', queue) + #packets - first >= MAX_QUEUE then
    redis.call('DEL', session, queue)
  else
    for i = first, #packets do redis.call('RPUSH', queue, packets[i]) end
    redis.call('PEXPIRE', queue, 120000)
  end
  wake()
end
local function drain()
  local packets = redis.call('LRANGE', queue, 0, -1)
  redis.call('DEL', queue)
  return packets
end
"""

# Begin a session. ARGV: transport, version, joined, address ('' where no client is found by it), ttl_ms,
# next_ping_in_ms ('' for none). The newest sessions of an address are listed, ended ones among them.
OPEN = f"""
redis.call('HSET', session, 'transport', ARGV[1], 'version', ARGV[2], 'joined', ARGV[3])
if ARGV[4] ~= '' then
  local newest = '{NEWEST_AT}' .. ARGV[4]
  redis.call('ZADD', newest, now_ms(), session)
  redis.call('ZREMRANGEBYRANK', newest, 0, -1001)
  redis.call('PEXPIRE', newest, 86400000)
end
if ARGV[6] ~= '' then redis.call('HSET', session, 'ping_at', whole(now_ms() + ARGV[6])) end
redis.call('PEXPIRE', session, ARGV[5])
return 1
"""

# Send packets to a client that has joined "/". ARGV: packets. Returns nil if there is no such client.
EMIT = """
if redis.call('HGET', session, 'joined') ~= '1' then return nil end
push(ARGV, 1)
return 1
"""

# Save what a polling client's POST changed. ARGV: joined, ttl_ms, next_ping_in_ms ('' to keep it), packets.
# Returns nil if there is no such client.
APPLY = """
if redis.call('HGET', session, 'transport') ~= 'polling' then return nil end
redis.call('HSET', session, 'joined', ARGV[1])
if ARGV[1] == '1' then redis.call('PEXPIRE', session, ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', session, 'ping_at', whole(now_ms() + ARGV[3])) end
push(ARGV, 4)
return 1
"""

# Ask once what a waiting poll should do. ARGV: version, poll (random id of this poll), stamp, interval_ms, is_first
# ('1' for the first time the poll asks). Returns a word and its details:
#   'send', packets: answer with them.              'wait', ms: ask again after that time or when woken up.
#   'unknown': there is no such session.            'mismatch': other transport or version.
#   'over': a newer poll or a WebSocket has replaced this one.
# The stamp is the client's parameter `t`. If a process dies after it took the packets, the proxy repeats the request
# with the same stamp; `sent` keeps the last answer, so that the repetition gets the same packets.
POLL = """
local version, poll, stamp, interval, is_first = unpack(ARGV)
local s = redis.call('HMGET', session, 'transport', 'version', 'poll', 'ping_at', 'upgrade_until', 'stamp', 'sent')
if not s[1] then return {'unknown'} end
if is_first == '1' then
  if s[1] ~= 'polling' or s[2] ~= version then return {'mismatch'} end
  redis.call('HSET', session, 'poll', poll)
  if stamp ~= '' and s[6] == stamp and s[7] then return {'send', s[7]} end
elseif s[3] ~= poll then
  return {'over'}
end
local now, ping_at, upgrade_until = now_ms(), tonumber(s[4]), tonumber(s[5]) or 0
local packets = drain()
if ping_at and ping_at <= now then
  packets[#packets + 1] = '2'
  ping_at = now + interval
  redis.call('HSET', session, 'ping_at', whole(ping_at))
end
if #packets == 0 and upgrade_until > now then
  -- The client upgrades only when no poll is open, so end this poll after 100 ms with a NOOP ('6').
  if is_first == '1' then return {'wait', 100} end
  packets[1] = '6'
end
if #packets == 0 then
  -- Ask again when the next ping is due, or just after the session has expired.
  local wait = redis.call('PTTL', session) + 10
  if ping_at then wait = math.min(wait, ping_at - now) end
  return {'wait', math.max(wait, 1)}
end
redis.call('HSET', session, 'poll', '')
if stamp ~= '' then
  redis.call('HSET', session, 'stamp', stamp, 'sent', table.concat(packets, '\\30'))
end
table.insert(packets, 1, 'send')
return packets
"""

# Begin an upgrade: a WebSocket has connected for a polling session. For window_ms polls are answered at once.
# ARGV: version, window_ms. Returns nil if there is no such session.
PROBE = """
local s = redis.call('HMGET', session, 'transport', 'version')
if s[1] ~= 'polling' or s[2] ~= ARGV[1] then return nil end
redis.call('HSET', session, 'upgrade_until', whole(now_ms() + ARGV[2]))
wake()
return 1
"""

# Complete an upgrade: the session now belongs to a WebSocket, and a waiting poll is over. ARGV: ttl_ms. Returns joined,
# nil if there is no polling session.
UPGRADE = """
local s = redis.call('HMGET', session, 'transport', 'joined')
if s[1] ~= 'polling' then return nil end
redis.call('HSET', session, 'transport', 'websocket', 'poll', '')
redis.call('HDEL', session, 'upgrade_until', 'ping_at', 'stamp', 'sent')
redis.call('PEXPIRE', session, ARGV[1])
wake()
return s[2] or '0'
"""

# Prolong the session of a WebSocket and take its queued packets. ARGV: ttl_ms. Returns nil if the session is over.
TAKE = """
if redis.call('PEXPIRE', session, ARGV[1]) == 0 then return nil end
return drain()
"""

# End a session.
CLOSE = """
if redis.call('DEL', session, queue) > 0 then wake() end
return 1
"""
