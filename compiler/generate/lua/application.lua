-- Health of an Application, which Argo CD does not assess by itself: without it, a sync wave of Applications waits for
-- none of them.
local metadata = obj.metadata or {}
if metadata.deletionTimestamp ~= nil then
  local finalizers = table.concat(metadata.finalizers or {}, ", ")
  local wait = finalizers ~= "" and "; waits for its finalizers: " .. finalizers or ""
  return { status = "Progressing", message = "being deleted" .. wait }
end

local health = (obj.status or {}).health or {}
if health.status == nil or health.status == "" then
  return { status = "Progressing", message = "waiting for Argo CD to assess the application" }
end
return { status = health.status, message = health.message }
