--[[ events.lua - what has happened in the lane, for people. Nothing is decided by it.

  rota:{k}:events  stream, about the newest 10,000: what the control plane did, and what people changed.
                   kind, org, subject (a session, a queue, jobs' ids), detail
  rota:{k}:audit   stream, about the newest 10,000: who changed what. Apart, so that events do not push it out.
                   who, what, org, subject, before, after

  What may come in masses, dead letters and limits that handlers pause, is noted one by one so often in a minute; the rest as one
  event, in the next minute (trim, or whatever comes next of this). Field `often` of the clock: "MINUTE DEAD PAUSES WHOSE WHOSE ...",
  the minute, what was not noted of it, and whose events were.

  The fields are always the same ones, '' where there is nothing to say: a stream keeps their names once. Each function notes at its end,
  when all else is written. ]]

local check_who, some_of, note_event, note_change, note_often, note_rest, save_often -- what other files use
do

local KEPT = '10000'
local OFTEN_MAX, OFTEN_OF_ONE = 16, 4 -- of what comes in masses, in a minute; of these of one organization, or limit
local OFTEN_TEXT = { dead = '%d more jobs in the minute from %s', limit_pause = '%d more in the minute from %s' }
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

-- What has been noted in this minute. Calls: <= 3: 1, once, and if a minute is over what was not noted of it.
local function often_now(lane)
  local minute, often = floor(lane.now_ms / 60000), lane.often
  if often then return often end
  often = { minute = minute, dead = 0, limit_pause = 0, whose = {} }
  lane.often = often
  local found, dead, pauses, whose = string.match(call('HGET', lane.clock, 'often') or '', '^(%d+) (%d+) (%d+)(.*)$')
  if not found then return often end
  if tonumber(found) == minute then
    often.dead, often.limit_pause = tonumber(dead), tonumber(pauses)
    for name in string.gmatch(whose, '%S+') do often.whose[#often.whose + 1] = name end
    return often
  end
  for kind, count in pairs({ dead = tonumber(dead), limit_pause = tonumber(pauses) }) do
    if count > 0 then note_event(lane, kind, '', '', format(OFTEN_TEXT[kind], count, int_text(found * 60000))) end
  end
  often.changed = true
  return often
end

-- Notes what may come in masses, or counts it: `count` of `whose`. Calls: <= 1, and those of often_now and save_often, once.
function note_often(lane, kind, whose, org, subject, detail, count)
  local often, own = often_now(lane), 0
  for _, name in ipairs(often.whose) do
    if name == whose then own = own + 1 end
  end
  often.changed = true
  if #often.whose < OFTEN_MAX and own < OFTEN_OF_ONE then
    often.whose[#often.whose + 1] = whose
    note_event(lane, kind, org, subject, detail)
  else
    often[kind] = often[kind] + count
  end
end

-- Notes what came too often in a minute that is over. Calls: those of often_now.
function note_rest(lane) often_now(lane) end

-- The part of save_lane() that is about this. Calls: 1.
function save_often(lane)
  local often = lane.often
  if often.whose[1] then
    call('HSET', lane.clock, 'often', format('%d %d %d %s', often.minute, often.dead, often.limit_pause, table.concat(often.whose, ' ')))
  else
    call('HDEL', lane.clock, 'often')
  end
  often.changed = false
end

end
