--[[ state.lua - the part of a job that changes, field of the hash `state`. Absent while a job waits for its first claim in `ready`.

  msgpack array of 12:
    1 order        number  its score in ready, kept by release and recover
    2 enqueued_ms  int | nil (nil: order + priority * 60000)
    3 queue        str | nil (nil: default)
    4 priority     int | nil (nil: 0)
    5 attempt      int     tries that ran to a verdict
    6 deliveries   int     times handed to any worker
    7 crashes      int     times its worker or handler process died
    8 session      str | nil  who runs it now
    9 started_ms   int | nil  since when
   10 attempts     array of [n, worker, started_ms, ended_ms, outcome, report]; the newest 100. report: msgpack map
                   {exit, signal, error, result}, opaque here, '' for none
   11 reason       str | nil  why it is dead or cancelled
   12 notes        map | nil  rare facts, each under its name; nil if there is none, and when the job is done:
                     checkpoint str, at most 16 KiB: what its handler wants to find at the next attempt
                     progress   [percent, text of at most 256 bytes, ms when it was told], of the latest attempt
                     rests      int: so many times in a row it was next, and the worker did not know its type (lib/rest.lua)
                     limit      str: the one that it waits for
                     after      str: the job that it waits for, which has its coalescing key (lib/coalesce.lua). It is in scheduled, with a
                                score beyond every due time; when it is due is in its order
                     redriven   int: deliveries when it was last redriven ]]

local ORDER, ENQUEUED_MS, QUEUE, PRIORITY, ATTEMPT, DELIVERIES, CRASHES, SESSION, STARTED_MS, ATTEMPTS, REASON, NOTES = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
local PRIORITY_MS = 60000 -- head start of one point of priority

local function pack_state(s)
  return '\156' .. cmsgpack.pack(s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12])
end

-- Notes a fact of a job, or with nil forgets it. (An empty map would be packed as an array.)
local function set_note(s, name, value)
  local notes = s[NOTES] or {}
  notes[name] = value
  s[NOTES] = next(notes) and notes or nil
end

-- A job that was never claimed has no state: this is what it stands for.
local function new_state(order, options, enqueued_ms)
  local queue = options.queue
  if queue == QUEUE_DEFAULT then queue = nil end
  return { order, enqueued_ms, queue, options.priority, 0, 0, 0, nil, nil, {}, nil, nil }
end

-- When the job was enqueued. To be kept in the state before its order is changed.
local function enqueued_ms(s)
  return s[ENQUEUED_MS] or s[ORDER] + (s[PRIORITY] or 0) * PRIORITY_MS
end

local check_note, apply_note, add_attempt
do

local ATTEMPTS_MAX = 100
local PROGRESS_BYTES_MAX, CHECKPOINT_BYTES_MAX = 256, 16384

-- Checks what a worker tells of a job: progress '' (nothing new) or 'PERCENT TEXT', checkpoint '' (nothing new) or '=' and its
-- bytes, of which none means to forget it.
function check_note(progress, checkpoint)
  local percent, text = string.match(progress or ' ', '^(%d+) ?(.*)$')
  if progress ~= '' and not (percent and tonumber(percent) <= 100 and #text <= PROGRESS_BYTES_MAX) then
    refuse('INVALID', format('progress is "%s", it must be empty, or 0..100 and at most %d bytes of text', sub(tostring(progress), 1, 40), PROGRESS_BYTES_MAX))
  end
  if not checkpoint or (checkpoint ~= '' and byte(checkpoint) ~= 0x3d) or #checkpoint > CHECKPOINT_BYTES_MAX + 1 then
    refuse('INVALID', format('a checkpoint must be empty, or "=" and at most %d bytes, this one has %d', CHECKPOINT_BYTES_MAX, #(checkpoint or '')))
  end
end

-- Writes it into the notes.
function apply_note(s, now_ms, progress, checkpoint)
  if progress ~= '' then
    local percent, text = string.match(progress, '^(%d+) ?(.*)$')
    set_note(s, 'progress', { tonumber(percent), text, now_ms })
  end
  if checkpoint ~= '' then set_note(s, 'checkpoint', #checkpoint > 1 and sub(checkpoint, 2) or nil) end
end

function add_attempt(s, now_ms, outcome, report)
  local attempts = s[ATTEMPTS]
  attempts[#attempts + 1] = { s[ATTEMPT] + 1, s[SESSION] or '', s[STARTED_MS] or now_ms, now_ms, outcome, report or '' }
  if #attempts > ATTEMPTS_MAX then table.remove(attempts, 1) end
end

end
