-- ARGV: lanes_max, heads_max. Returns how many webhooks wait, in how many lanes, when the oldest was received
-- (looked for at the heads of the lanes that have waited for their turn longest), and when the first lane is due.
local shops = redis.call('ZRANGE', SCHEDULE, 0, tonumber(ARGV[1]) - 1)
local depth, oldest = 0, nil
for i, shop in ipairs(shops) do
  depth = depth + redis.call('LLEN', 'lane:' .. shop)
  if i <= tonumber(ARGV[2]) then
    local head = redis.call('LINDEX', 'lane:' .. shop, 0)
    -- an item is a MessagePack array that begins with its time, an unsigned 64-bit number
    if head and #head > 9 and string.byte(head, 2) == 0xcf then
      local received = struct.unpack('>I8', head, 3)
      if not oldest or received < oldest then oldest = received end
    end
  end
end
local first = redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')
return { depth, #shops, oldest and number(oldest) or false, first[2] or false }
