--[[ events.lua - what has happened in the lane, for people. Nothing is decided by it.

  rota:{k}:events  stream, about the newest 10,000: what the control plane did, and what people changed.
                   kind, org, subject (a session, a queue, jobs' ids), detail
  rota:{k}:audit   stream, about the newest 10,000: who changed what. Apart, so that events do not push it out.
                   who, what, org, subject, before, after

  What may come in masses, dead letters, limits that handlers pause and due times of schedules, is noted one by one so often in a minute;
  the rest as one event, in the next minute (trim, or whatever comes next of this). Fields often:<kind> of the clock: "MINUTE MORE WHOSE
  WHOSE ...", the minute, what was not noted of it, and whose events were.

  The fields are always the same ones, '' where there is nothing to say: a stream keeps their names once. Each function notes at its end,
  when all else is written. ]]

local check_who, some_of, note_event, note_change, note_often, note_rest, save_often -- what other files use
do

local KEPT = '10000'
local OFTEN_MAX, OFTEN_OF_ONE = 16, 4 -- of what comes in masses, of a kind in a minute; of these of one organization, or limit
local OFTEN_KINDS = { 'dead', 'limit_pause', 'tick' }
local WHO_BYTES_MAX, TEXT_BYTES_MAX = 128, 512

-- Who calls a function with which people change something: "ann@host (rota 0.1.0)".
function check_who(value)
  if not value or value == '' or #value > WHO_BYTES_MAX or find(value, '%c') then
    local shown = string.gsub(sub(tostring(value), 1, 40), '%c', '?')
    refuse('INVALID', format('who changes something must have 1..%d bytes without control characters, not "%s"', WHO_BYTES_MAX, shown))
  end
  return value
end

-- The first of `names` as one text, and how many more there are.
function some_of(names)
  local text, shown = names[1] or '', 1
  while names[shown + 1] and #text + 1 + #names[shown + 1] <= TEXT_BYTES_MAX do
    shown = shown + 1
    text = text .. ' ' .. names[shown]
  end
  return #names > shown and format('%s +%d', text, #names - shown) or text
end

-- Calls: 1.
function note_event(lane, kind, org, subject, detail)
  call('XADD', lane.prefix .. 'events', 'MAXLEN', '~', KEPT, '*', 'kind', kind, 'org', org, 'subject', subject,
       'detail', sub(detail, 1, TEXT_BYTES_MAX))
end

-- A change by `who`: for both streams. Calls: 2.
function note_change(lane, who, what, org, subject, before, after)
  call('XADD', lane.prefix .. 'audit', 'MAXLEN', '~', KEPT, '*', 'who', who, 'what', what, 'org', org, 'subject', subject,
       'before', sub(before, 1, TEXT_BYTES_MAX), 'after', sub(after, 1, TEXT_BYTES_MAX))
  note_event(lane, what, org, subject, format('%s -> %s, by %s', before, after, who))
end

-- What has been noted in this minute, by kind: {more, whose, changed}. Calls: <= 4: 1, once, and for each kind whose minute is over what was
-- not noted of it.
local function often_now(lane)
  local often, minute = lane.often, floor(lane.now_ms / 60000)
  if often then return often end
  often = { minute = minute }
  lane.often = often
  for i, text in ipairs(call('HMGET', lane.clock, 'often:dead', 'often:limit_pause', 'often:tick')) do
    local kind, mine = OFTEN_KINDS[i], { more = 0, whose = {}, changed = false }
    local found, more, whose = string.match(text or '', '^(%d+) (%d+)(.*)$')
    often[kind] = mine
    if found and tonumber(found) == minute then
      mine.more = tonumber(more)
      for name in string.gmatch(whose, '%S+') do mine.whose[#mine.whose + 1] = name end
    elseif found then
      if more ~= '0' then note_event(lane, kind, '', '', format('%s more in the minute from %s', more, int_text(found * 60000))) end
      mine.changed, lane.often_changed = true, true
    end
  end
  return often
end

-- Notes what may come in masses, or counts it: `count` of `whose`. Calls: <= 1, and those of often_now and save_often, once.
function note_often(lane, kind, whose, org, subject, detail, count)
  local mine, own = often_now(lane)[kind], 0
  for _, name in ipairs(mine.whose) do
    if name == whose then own = own + 1 end
  end
  mine.changed, lane.often_changed = true, true
  if #mine.whose < OFTEN_MAX and own < OFTEN_OF_ONE then
    mine.whose[#mine.whose + 1] = whose
    note_event(lane, kind, org, subject, detail)
  else
    mine.more = mine.more + count
  end
end

-- Notes what came too often in a minute that is over. Calls: those of often_now.
function note_rest(lane) often_now(lane) end

-- The part of save_lane() that is about this. Calls: 1 for each kind.
function save_often(lane)
  for _, kind in ipairs(OFTEN_KINDS) do
    local mine = lane.often[kind]
    if mine.changed and mine.whose[1] then
      call('HSET', lane.clock, 'often:' .. kind, format('%d %d %s', lane.often.minute, mine.more, table.concat(mine.whose, ' ')))
    elseif mine.changed then
      call('HDEL', lane.clock, 'often:' .. kind)
    end
    mine.changed = false
  end
  lane.often_changed = false
end

end
