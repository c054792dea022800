-- Health of an Application, which Argo CD does not assess by itself: without it, a sync wave of Applications waits for
-- none of them.
local health = (obj.status or {}).health or {}
if health.status == nil or health.status == "" then
  return { status = "Progressing", message = "waiting for Argo CD to assess the application" }
end
return { status = health.status, message = health.message }
