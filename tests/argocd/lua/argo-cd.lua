-- What Argo CD 3.5 decides by itself of an ExternalSecret: it takes the first Ready condition, and of a policy
-- OnChange one that is older than the last refresh for none.
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  local is_ready, is_on_change = condition.type == "Ready", obj.spec.refreshPolicy == "OnChange"
  if is_ready and (not is_on_change or condition.lastTransitionTime >= obj.status.refreshTime) then
    if condition.status == "True" then
      return { status = "Healthy", message = condition.message }
    elseif condition.status == "False" then
      return { status = "Degraded", message = condition.message }
    end
    return nil
  end
end
return { status = "Progressing", message = "Waiting for ExternalSecret" }
