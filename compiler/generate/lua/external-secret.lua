-- Health of an ExternalSecret of the generation that is in Git, not of the one before it.
-- Argo CD gives a health script Lua's base, table and package, and of os only time and date, by require.
local metadata, spec, status = obj.metadata or {}, obj.spec or {}, obj.status or {}

-- The conditions of an object that is being deleted are of the time before.
if metadata.deletionTimestamp ~= nil then
  local finalizers = table.concat(metadata.finalizers or {}, ", ")
  local wait = finalizers ~= "" and "; waits for its finalizers: " .. finalizers or ""
  return { status = "Progressing", message = "being deleted" .. wait }
end

local PATIENCE = 900 -- seconds: External Secrets Operator waits up to 420 between two tries

-- Go durations that are zero; there is no string library to read them with.
local NEVER = {
  ["0"] = true, ["0s"] = true, ["0m"] = true, ["0h"] = true, ["0ms"] = true, ["0us"] = true, ["0ns"] = true,
  ["0m0s"] = true, ["0h0m"] = true, ["0h0m0s"] = true,
}

local generation = metadata.generation or 0

local function health(state, message)
  return { status = state, message = message }
end

-- When what is asked for was last changed, as Kubernetes writes times; nil where nobody noted it.
local function changed()
  local newest = nil
  for _, entry in ipairs(metadata.managedFields or {}) do
    if entry.subresource == nil and entry.time ~= nil and (newest == nil or entry.time > newest) then
      newest = entry.time
    end
  end
  return newest
end

local function is_overdue(since)
  local found, os = pcall(require, "os")
  if since == nil or not found then
    return false
  end
  -- With a time given, Argo CD's date knows only the local zone: what the clock shows in UTC is read as local time.
  local shown = os.time(os.date("!*t"))
  return since < os.date("%Y-%m-%dT%H:%M:%SZ", shown - PATIENCE)
end

local function waiting(since, message)
  if is_overdue(since) then
    return health("Degraded", "External Secrets Operator has not taken it up for 15 minutes: it does not run, does not "
      .. "watch this namespace, or leaves the store to another controller class")
  end
  return health("Progressing", message)
end

local ready = nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
end

if ready == nil or (ready.status ~= "True" and ready.status ~= "False") then
  return waiting(changed() or metadata.creationTimestamp, "waiting for External Secrets Operator")
end
-- Of which generation a failure is, nobody notes: it counts until a success.
if ready.status == "False" or ready.reason == "SecretDeleted" or ready.reason == "SecretMissing" then
  return health("Degraded", ready.message or ready.reason)
end

-- Noted on success alone: `<generation>-<hash of labels and annotations>`. "." follows "-" in ASCII.
local synced = status.syncedResourceVersion or ""
if synced > generation .. "-" and synced < generation .. "." then
  return health("Healthy", ready.message)
end
local interval = spec.refreshInterval or ""
if spec.refreshPolicy == "CreatedOnce" then
  return health("Healthy", "the Secret is as it was made: refreshPolicy CreatedOnce applies no later change")
end
if spec.refreshPolicy ~= "OnChange" and (NEVER[interval] or (interval >= "-" and interval < ".")) then
  return health("Healthy", "the Secret is as it was made: refreshInterval " .. interval .. " applies no later change")
end
return waiting(changed(), "waiting for External Secrets Operator to apply generation " .. generation)
