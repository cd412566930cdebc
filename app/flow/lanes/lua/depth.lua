-- ARGV: rate, burst, lanes_max, heads_max. Returns how many webhooks wait, in how many lanes, when the oldest was
-- received (looked for at the heads of the lanes that have waited for their turn longest), and for how many
-- milliseconds the first lane has been due.
local shops = redis.call('ZRANGE', SCHEDULE, 0, tonumber(ARGV[3]) - 1)
local depth, oldest = 0, nil
for i, shop in ipairs(shops) do
  local waiting = redis.pcall('LLEN', 'lane:' .. shop)
  if type(waiting) == 'number' then
    depth = depth + waiting
    if i <= tonumber(ARGV[4]) then
      local received = received_at(shop)
      if received and (not oldest or received < oldest) then oldest = received end
    end
  end
end
local first = redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')
local due = tonumber(first[2])
local overdue = due and math.max(0, due > now + AHEAD_MAX and AHEAD_MAX or now - due) or 0
return { depth, #shops, oldest and number(oldest) or false, number(overdue) }
