--[[ events.lua - what has happened in the lane, for people. Nothing is decided by it.

  rota:{k}:events  stream, about the newest 10,000: what the control plane did, and what people changed.
                   kind, org, subject (a session, a queue, jobs' ids), detail
  rota:{k}:audit   stream, about the newest 10,000: who changed what. Apart, so that events do not push it out.
                   who, what, org, subject, before, after

  The fields are always the same ones, '' where there is nothing to say: a stream keeps their names once. Each function notes at its end,
  when all else is written. ]]

local check_who, some_of, note_event, note_change -- what other files use
do

local KEPT = '10000'
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

end
