-- KEYS: the table. ARGV: its size in bytes, for how many seconds it is kept, entries of 20 bytes: where in the table (4),
-- digest (8), shop (8).
-- Returns for each 1 when its digest stands there with another shop, else 0; what is new replaces
-- what stood in its place.
local table_key, size, entries, found = KEYS[1], tonumber(ARGV[1]), ARGV[3], {}
-- made whole at once: a string that grows entry by entry is copied each time
if redis.call('STRLEN', table_key) < size then redis.call('SETRANGE', table_key, size - 1, '\0') end
for at = 1, #entries, 20 do
  local place = struct.unpack('>I4', entries, at)
  local known = redis.call('GETRANGE', table_key, place, place + 15)
  local entry = string.sub(entries, at + 4, at + 19)
  local is_foreign = 0
  if known ~= entry then
    if string.sub(known, 1, 8) == string.sub(entry, 1, 8) then
      is_foreign = 1
    else
      redis.call('SETRANGE', table_key, place, entry)
    end
  end
  found[#found + 1] = is_foreign
end
redis.call('EXPIRE', table_key, ARGV[2])
return found
