-- Shared by the lane scripts. All times are milliseconds since 1970 by Redis' own clock, for the callers' clocks may
-- differ by hours.
-- lane:{shop}          list    the webhooks waiting, oldest first; they stay until acknowledged
-- lanes:schedule       zset    each shop with something waiting, once, at the moment its lane may be taken next:
--                              when its bucket allows, or, while it is leased, when the lease ends
-- lanes:owners         hash    shop -> random token of the claim that holds the lease
-- lanes:buckets        zset    shop -> GCRA: the moment at which its bucket would be full again; full ones are not kept
-- lanes:large          hash    shop -> how many of its waiting webhooks are too large to be taken unmeasured
-- lanes:limits         hash    shop -> rate:burst:borrow, where a shop has limits of its own
-- lanes:watch          string  there while a drain runs or was woken: nobody else needs to wake one; 'more' while those
--                              that run have more than they can take at once
-- lanes:seen:{n}       set     marks of the webhooks admitted in the n-th window of time since 1970
-- lanes:caller:{token} string  the number of the last call with which somebody queued something
-- lanes:aside:{key}    any     what stood under a key of ours and was of another kind
local SCHEDULE, OWNERS, BUCKETS, LARGE = 'lanes:schedule', 'lanes:owners', 'lanes:buckets', 'lanes:large'
local LIMITS, WATCH, SEEN, ASIDE = 'lanes:limits', 'lanes:watch', 'lanes:seen:', 'lanes:aside:'
local MORE = 'more'
local AHEAD_MAX = 60000 -- no lane is due later than this: what seems to be was written under another clock
local ASIDE_KEPT = 7 * 24 * 3600 * 1000
local PORTION = 1000 -- values a call; Lua's stack holds 8,000
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local asides = {}

local function number(value)
  return string.format('%.3f', value)
end

-- call with all values, in portions (PORTION is even, so pairs stay together)
local function in_portions(values, call)
  for from = 1, #values, PORTION do
    call(unpack(values, from, math.min(from + PORTION - 1, #values)))
  end
end

-- one answer a member, asked in portions
local function answers(command, key, members)
  local found = {}
  for from = 1, #members, PORTION do
    local part = redis.call(command, key, unpack(members, from, math.min(from + PORTION - 1, #members)))
    for i = 1, #part do found[from + i - 1] = part[i] end
  end
  return found
end

-- A full Redis refuses a script at its first write, if that write may need memory, and never later. The scripts that
-- free memory therefore begin with one that cannot.
local function go_on_when_full()
  redis.call('HDEL', OWNERS, '')
end

-- how many webhooks wait; what is no list is put aside, and costs nobody but this shop
local function length_of(shop)
  local length = redis.pcall('LLEN', 'lane:' .. shop)
  if type(length) == 'number' then return length end
  redis.call('RENAME', 'lane:' .. shop, ASIDE .. 'lane:' .. shop)
  redis.call('PEXPIRE', ASIDE .. 'lane:' .. shop, ASIDE_KEPT)
  asides[#asides + 1] = shop
  return 0
end

-- the limits shops have of their own, one a shop or false; most installations have none
local function own_limits(shops)
  if redis.call('EXISTS', LIMITS) == 0 then return {} end
  return answers('HMGET', LIMITS, shops)
end

-- the interval of one token in milliseconds, the burst, and whether the shop may borrow
local function pace(own)
  local own_rate, own_burst, borrow = string.match(own or '', '^([%d.]+):(%d+):?(%d*)$')
  own_rate, own_burst = tonumber(own_rate), tonumber(own_burst)
  if own_rate and own_rate > 0 and own_burst and own_burst >= 1 then
    return math.min(1000 / own_rate, AHEAD_MAX), own_burst, borrow ~= '0'
  end
  return math.min(1000 / rate, AHEAD_MAX), burst, true
end

-- when the bucket is full: from now on if nothing is kept, and never later than an empty one would be
local function full_at(kept, interval, tokens_max)
  return math.min(math.max(now, tonumber(kept or now)), now + interval * tokens_max)
end

local function due_at(full, interval, tokens_max)
  return math.max(now, full - (tokens_max - 1) * interval)
end

-- a thousandth of a token forgives the rounding of stored moments
local function tokens_at(full, interval, tokens_max)
  return math.floor(tokens_max - (full - now) / interval + 0.001)
end

-- shops that wait for tokens alone and may take what nobody else waits for; a few, so that one call stays short
local function borrowers()
  local later = redis.call('ZRANGEBYSCORE', SCHEDULE, '(' .. number(now), '+inf', 'LIMIT', 0, 64)
  if #later == 0 then return {} end
  local owners, own, free = answers('HMGET', OWNERS, later), own_limits(later), {}
  for i, shop in ipairs(later) do
    local _, _, may_borrow = pace(own[i])
    if not owners[i] and may_borrow then free[#free + 1] = shop end
  end
  return free
end

-- when the head of a lane was received; an item is a MessagePack array that begins with its time, a 64-bit number
local function received_at(shop)
  local head = redis.call('LINDEX', 'lane:' .. shop, 0)
  if head and #head > 9 and string.byte(head, 2) == 0xcf then return struct.unpack('>I8', head, 3) end
end
