--[[ inbox.lua - private inboxes: a stream of an organization of its own, for producers who may append to it and nothing else.

  Setting `private_inbox` of an organization, `inboxes` and the two streams go together:
    inboxes                      the organizations that have one, which the leader reads
    org:<org>:inbox, :rejected   its entries on their way in; those that were refused
  Entries of two streams may have the same id, so a job of a private one is named 'p:' and the entry's id. ]]

local reindex_inbox, check_private_inbox, is_private, deletion_entry, came_before -- what other files use
do

local INBOXES_MAX = 1000 -- of a lane: the leader reads them all

-- Both streams and the list as the setting says. Calls: <= 5.
function reindex_inbox(lane, org)
  local list, streams = lane.prefix .. 'inboxes', { org_key(org, 'inbox'), org_key(org, 'rejected') }
  if org.fields.private_inbox then
    call('ZADD', list, 'NX', lane.now_text, org.name)
    for _, key in ipairs(streams) do
      if call('EXISTS', key) == 0 then call('XADD', key, 'MAXLEN', '0', '0-1', 'empty', '1') end
    end
  else
    call('ZREM', list, org.name)
    call('UNLINK', unpack(streams))
  end
end

-- Before the setting becomes `value`. Calls: 1.
function check_private_inbox(lane, org, value)
  if value == '' then
    local waiting = call('XLEN', org_key(org, 'inbox'))
    if waiting > 0 then
      refuse('INVALID', format('the private inbox of %s has %d entries that would be lost: take the right to append away, and wait', org.name, waiting))
    end
  elseif not org.fields.private_inbox and call('ZCARD', lane.prefix .. 'inboxes') >= INBOXES_MAX then
    refuse('INVALID', format('the lane has %d private inboxes, which is the limit', INBOXES_MAX))
  end
end

-- True if the job of this id comes from a private inbox.
function is_private(id)
  return sub(id, 1, 2) == 'p:'
end

-- The member of inbox_seen that tells when the organization was deleted.
function deletion_entry(org)
  return org.name .. '/'
end

-- True if the entry that the job is named after had come by then: its id begins with its time.
function came_before(id, ms)
  local entry_ms = string.match(id, '^p?:?(%d+)%-%d+$')
  return entry_ms ~= nil and tonumber(entry_ms) <= ms
end

end
