# Makes the package, signs it with a certificate of your own, and gives its identity to the installed cwai.exe.
# Needs the Windows SDK (mt.exe, makeappx.exe, signtool.exe) in PATH; run it in an elevated PowerShell, once.
param(
    [Parameter(Mandatory)] [string] $Certificate,  # a .pfx whose subject is the manifest's Publisher
    [Parameter(Mandatory)] [securestring] $Password
)
$ErrorActionPreference = 'Stop'
$here = $PSScriptRoot
$program = (Get-Command cwai.exe).Source
$package = Join-Path $env:TEMP 'codex-windows-ai.msix'
$plain = [System.Net.NetworkCredential]::new('', $Password).Password

function Invoke-Tool { & $args[0] $args[1..($args.Count - 1)]; if ($LASTEXITCODE) { throw "$($args[0]) failed: $LASTEXITCODE" } }

Invoke-Tool mt.exe -nologo -manifest "$here\cwai.exe.manifest" "-outputresource:$program;#1"
Invoke-Tool makeappx.exe pack /o /nv /d $here /p $package
Invoke-Tool signtool.exe sign /fd SHA256 /f $Certificate /p $plain $package
Get-AppxPackage CodexWindowsAi | Remove-AppxPackage
Add-AppxPackage -Path $package -ExternalLocation (Split-Path $program)
& $program doctor
