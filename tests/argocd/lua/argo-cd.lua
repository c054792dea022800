-- What Argo CD 3.5 decides by itself of an ExternalSecret (read in its source, unchanged since 2023): the first Ready
-- condition that is True or False, whatever it is of.
local STATES = { True = "Healthy", False = "Degraded" }
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  local state = condition.type == "Ready" and STATES[condition.status]
  if state then
    return { status = state, message = condition.message }
  end
end
return { status = "Progressing", message = "Waiting for ExternalSecret" }
