# Gives the Python of this checkout's virtual environment the identity of a package, which Windows asks for before it
# lets a program use its language model. Run it in an elevated PowerShell; again after the environment was made anew.
param(
    [Parameter(Mandatory)] [string] $Certificate,  # a .pfx whose subject is the manifest's Publisher
    [Parameter(Mandatory)] [securestring] $Password,
    [string] $Environment = (Join-Path $PSScriptRoot '..\..\.venv')
)
$ErrorActionPreference = 'Stop'
$here = $PSScriptRoot
$scripts = (Resolve-Path (Join-Path $Environment 'Scripts')).Path
$python = Join-Path $scripts 'python.exe'
$package = Join-Path $env:TEMP 'codex-windows-ai.msix'
$before = Join-Path $env:TEMP 'codex-windows-ai.before.manifest'
$merged = Join-Path $env:TEMP 'codex-windows-ai.merged.manifest'
$plain = [System.Net.NetworkCredential]::new('', $Password).Password
# The newest Windows SDK; its installer puts nothing into PATH.
$sdk = Get-Item "${env:ProgramFiles(x86)}\Windows Kits\10\bin\10.*\x64" |
    Sort-Object { [version] $_.Parent.Name } | Select-Object -Last 1 -ExpandProperty FullName
if (-not $sdk) { throw 'There is no Windows SDK: winget install Microsoft.WindowsSDK.10.0.26100' }

function Invoke-Tool { & $args[0] $args[1..($args.Count - 1)]; if ($LASTEXITCODE) { throw "$($args[0]) failed: $LASTEXITCODE" } }

Invoke-Tool "$scripts\cwai.exe" stop
# The python.exe of an environment only starts the real one, as cwai.exe starts it, and identity belongs to one program:
# so the real one has to stand there. Beside its libraries it still finds the environment by pyvenv.cfg.
$base = Invoke-Tool $python -c 'import sys; print(sys.base_prefix)'
Copy-Item "$base\python.exe", "$base\python3*.dll", "$base\vcruntime140*.dll" $scripts -Force
Invoke-Tool "$sdk\mt.exe" -nologo "-inputresource:$python;#1" "-out:$before"
Invoke-Tool "$sdk\mt.exe" -nologo -manifest $before "$here\python.exe.manifest" "-out:$merged"
Invoke-Tool "$sdk\mt.exe" -nologo -manifest $merged "-outputresource:$python;#1"

Invoke-Tool "$sdk\makeappx.exe" pack /o /nv /d $here /p $package
Invoke-Tool "$sdk\signtool.exe" sign /fd SHA256 /f $Certificate /p $plain $package
Get-AppxPackage CodexWindowsAi | Remove-AppxPackage
Add-AppxPackage -Path $package -ExternalLocation $scripts
& "$scripts\cwai.exe" doctor
