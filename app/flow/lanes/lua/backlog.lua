-- ARGV: rate, burst, shop. Returns how many of its webhooks wait, and when the first of them was received, or nil.
local waiting = redis.pcall('LLEN', 'lane:' .. ARGV[3])
if type(waiting) ~= 'number' or waiting == 0 then return { 0, false } end
local received = received_at(ARGV[3])
return { waiting, received and number(received) or false }
